"""Mistakes in a gateway's listeners and in access logs, with their messages."""
# ruff: noqa: E501 - a message stands on one line, so that a search finds it

CERTIFICATE = "{certificate: /a, key: /a}"

LISTENERS = [
    (
        "port: 1, address: '::', http3: true, listeners: [{port: 2, tls: {certificates: [CERT]}}], routes: [{to: a}]",
        "1:22 error GATEWAY.port: a gateway has `port` or `listeners`, not both: make it one of these",
        "1:34 error GATEWAY.address: with `listeners`, each has its own `address`: move it there",
        "1:47 error GATEWAY.http3: with `listeners`, each has its own `http3`: move it there",
    ),
    (
        "routes: [{to: a}]",
        "1:15 error GATEWAY: `port` is missing: a port from 1 to 65535; or `listeners`, for several",
    ),
    (
        "listeners: [{port: 1}]",
        "1:15 error GATEWAY: `routes` is missing: a list of routes, such as [{prefix: /, to: web}]",
    ),
    (
        "listeners: []",
        "1:27 error GATEWAY.listeners: expected a list of listeners, such as [{port: 8080}, {port: 8443, tls: passthrough}], found an empty list",
    ),
    (
        "listeners: {port: 1}, routes: [{to: a}]",
        "1:27 error GATEWAY.listeners: expected a list of listeners, such as [{port: 8080}, {port: 8443, tls: passthrough}], found a mapping: begin each item with `- `",
    ),
    (
        "listeners: [{prot: 1}, 5], routes: [{to: a}]",
        '1:29 error GATEWAY.listeners[0].prot: unknown key "prot": did you mean `port`?',
        "1:39 error GATEWAY.listeners[1]: expected a listener, such as {port: 8080}, found 5: write {port: 5}",
    ),
    (
        "listeners: [{port: 1}, {port: 1, address: 127.0.0.1}], routes: [{to: a}]",
        "1:46 error GATEWAY.listeners[1].port: listeners[0] has port 1 at 0.0.0.0, which 127.0.0.1 overlaps: write another port or `address`",
    ),
    (
        "listeners: [{port: 1, address: any}, {port: 1, address: '::1'}], routes: [{to: a}]",
        "1:60 error GATEWAY.listeners[1].port: listeners[0] has port 1 at any, which ::1 overlaps: write another port or `address`",
    ),
    (
        "port: 1, routes: [{host: [a.com, '*.a.com', b.a.com, a.com], to: a}]",
        '1:60 error GATEWAY.routes[0].host[2]: "*.a.com" includes "b.a.com": leave out one of them',
        '1:69 error GATEWAY.routes[0].host[3]: "a.com" is given twice',
    ),
    (
        "port: 1, address: [10.0.0.1, localhost, '*'], routes: [{to: a}]",
        '1:45 error GATEWAY.address[1]: expected an IP address to listen on, such as 127.0.0.1, found "localhost": write 127.0.0.1',
        '1:56 error GATEWAY.address[2]: `*` is no IP address: write "any"',
    ),
    (
        "port: 1, address: [10.0.0.1, any, '::1', 10.0.0.1], routes: [{to: a}]",
        "1:45 error GATEWAY.address[1]: any includes 10.0.0.1: leave out one of them",
        "1:50 error GATEWAY.address[2]: any includes ::1: leave out one of them",
        "1:57 error GATEWAY.address[3]: 10.0.0.1 is given twice",
    ),
    (
        "port: 1, address: [], routes: [{to: a}]",
        '1:34 error GATEWAY.address: expected an IP address to listen on, `any`, or a list of them, such as 127.0.0.1 or [10.0.0.1, "::1"], found an empty list',
    ),
    (
        "port: 1, address: 5, routes: [{to: a}]",
        '1:34 error GATEWAY.address: expected an IP address to listen on, `any`, or a list of them, such as 127.0.0.1 or [10.0.0.1, "::1"], found 5',
    ),
    (
        "port: 1, tls: {}, routes: [{to: a}]",
        "1:30 error GATEWAY.tls: has no certificate: write `certificates` in it, or `tls: passthrough`",
    ),
    (
        "port: 1, tls: pass, routes: [{to: a}]",
        '1:30 error GATEWAY.tls: expected `passthrough`, `off`, or a mapping such as {certificates: [{certificate: /certs/web.pem, key: /certs/web.key}]}, found "pass"',
    ),
    (
        "port: 1, tls: {passthrough: true, certificates: [CERT]}, routes: [{to: a}]",
        "1:64 error GATEWAY.tls.certificates: is not for `passthrough`, where the service is the one to encrypt",
    ),
    (
        "port: 1, tls: {certificates: [{certificate: a.pem}]}, routes: [{to: a}]",
        "1:46 error GATEWAY.tls.certificates[0]: `key` is missing: a path on Envoy's machine that begins with /",
        '1:60 error GATEWAY.tls.certificates[0].certificate: expected a path on Envoy\'s machine that begins with /, found "a.pem"',
    ),
    (
        "port: 1, tls: {certificates: [{hosts: ['*', 10.0.0.1, 'a:1'], certificate: /a, key: /b}]}, routes: [{to: a}]",
        '1:55 error GATEWAY.tls.certificates[0].hosts[0]: a certificate for any host has no `hosts`: leave out "*"',
        '1:60 error GATEWAY.tls.certificates[0].hosts[1]: clients name no IP address in SNI: leave out "10.0.0.1", or all `hosts`',
        '1:70 error GATEWAY.tls.certificates[0].hosts[2]: SNI has no port: write "a"',
    ),
    (
        "port: 1, tls: {certificates: [{hosts: [a.b, A.b, c.d], certificate: /a, key: /b}, {hosts: [c.d], certificate: /a, key: /c}]}, routes: [{to: a}]",
        '1:107 error GATEWAY.tls.certificates[1].hosts[0]: "c.d" is a host of certificates[0] too: a host has one certificate',
        '1:135 error GATEWAY.tls.certificates[1].key: "/a" has another key above',
    ),
    (
        "port: 1, tls: {certificates: [CERT, {certificate: /b, key: /b}]}, routes: [{to: a}]",
        "1:74 error GATEWAY.tls.certificates[1]: is for every host, as certificates[0] is: write its `hosts`",
    ),
    (
        "port: 1, tls: {certificates: [{certificate: /a, key: /b, hots: [a]}]}, routes: [{to: a}]",
        '1:73 error GATEWAY.tls.certificates[0].hots: unknown key "hots": did you mean `hosts`?',
    ),
    (
        "port: 1, http3: true, routes: [{to: a}]",
        "1:32 error GATEWAY.http3: HTTP/3 is always encrypted: it needs `tls: {certificates: [...]}` here",
    ),
    (
        "port: 1, http3: 0, tls: {certificates: [CERT]}, routes: [{to: a}]",
        "1:32 error GATEWAY.http3: expected true, or the port by which clients reach it, found 0",
    ),
    (
        "port: 1, proxy_protocol: v2, routes: [{to: a}]",
        '1:41 error GATEWAY.proxy_protocol: expected true or false, found "v2"',
    ),
    (
        "port: 1, tls: passthrough, routes: [{to: a, host: b.c, prefix: /a}, {to: {a: 1, b: 1}}, {respond: {}}]",
        "1:79 error GATEWAY.routes[0].prefix: `tls: passthrough` leaves a connection encrypted: a route there has `host` and `to` alone",
        "1:89 error GATEWAY.routes[1].to: a connection cannot be shared: name one service",
        "1:104 error GATEWAY.routes[2]: `tls: passthrough` leaves a connection encrypted: a route there has `host` and `to` alone",
    ),
    (
        "port: 1, limits: {header_size: 60, buffer: 1 mb, streams: 0, idle: 5, header_timeout: 0s, body: 1MiB}, routes: [{to: a}]",
        "1:47 error GATEWAY.limits.header_size: a size needs a unit: write 60KiB, not 60",
        '1:59 error GATEWAY.limits.buffer: expected a size in B, KB, MB, GB, KiB, MiB or GiB, such as 1MiB or 512KiB, found "1 mb": did you mean 1MB?',
        "1:74 error GATEWAY.limits.streams: expected a whole number from 1 to 2147483647, found 0",
        "1:83 error GATEWAY.limits.idle: a duration needs a unit: write 5s or 5ms, not 5",
        "1:102 error GATEWAY.limits.header_timeout: must be 1ms or more, found 0s",
        '1:106 error GATEWAY.limits.body: unknown key "body": known are header_size, header_timeout, streams, buffer, idle',
    ),
    (
        "port: 1, limits: {header_size: 1500B}, trusted_hops: -1, routes: [{to: a}]",
        "1:47 error GATEWAY.limits.header_size: expected a whole number of KiB, 8192KiB at most",
        "1:69 error GATEWAY.trusted_hops: expected a whole number from 0 to 100, found -1",
    ),
    (
        "port: 1, limits: {header_size: 1500B}, routes: [{to: a}]",
        "1:47 error GATEWAY.limits.header_size: expected a whole number of KiB, 8192KiB at most",
    ),
    (
        "port: 1, access_log: true, routes: [{to: a}]",
        "1:37 error GATEWAY.access_log: expected `off`, `on`, `errors`, or a mapping such as {errors: true, sample: 1%}, found true: write on",
    ),
]
"""A gateway's content and the message. GATEWAY stands for the gateway's path, and CERT for a certificate."""

LISTENER_CASES = [
    (
        f"gateways: {{g: {{{text.replace('CERT', CERTIFICATE)}}}}}",
        *(one.replace("GATEWAY", "gateways.g", 1) for one in messages),
    )
    for text, *messages in LISTENERS
] + [
    (
        "mesh: 5",
        "1:7 error mesh: expected a mapping, such as {access_log: errors}, found 5",
    ),
    (
        "mesh: {acces_log: on}",
        '1:8 error mesh.acces_log: unknown key "acces_log": did you mean `access_log`?',
    ),
    (
        "mesh: {access_log: onn}",
        '1:20 error mesh.access_log: expected `off`, `on`, `errors`, or a mapping such as {errors: true, sample: 1%}, found "onn": did you mean `on`?',
    ),
    (
        "mesh: {access_log: {smaple: 1%, sample: 101%, file: log, errors: yes}}",
        '1:21 error mesh.access_log.smaple: unknown key "smaple": did you mean `sample`?',
        '1:41 error mesh.access_log.sample: expected a percentage from 0.0001% to 100%, such as 10%, found "101%"',
        '1:53 error mesh.access_log.file: expected a path on Envoy\'s machine that begins with /, found "log"',
        '1:66 error mesh.access_log.errors: expected true or false, found "yes": write true',
    ),
    (
        "services: {a: {access_log: {sample: 500}}}",
        "1:37 error services.a.access_log.sample: expected a percentage from 0.0001% to 100%, such as 10%, found 500",
    ),
]
"""Whole catalogs, like the other cases."""
