"""Mistakes in a route, with their messages: cases for `test_mistakes.py`."""
# ruff: noqa: E501 - a message stands on one line, so that a search finds it

ROUTES = [
    (
        "prefix: /",
        "1:34 error ROUTE: `to` is missing: a service's name; or `redirect` or `respond` in its place",
    ),
    ("to: {}", "1:39 error ROUTE.to: no service has a weight above 0: requests would have nowhere to go"),
    ("to: {a: 0}", "1:39 error ROUTE.to: no service has a weight above 0: requests would have nowhere to go"),
    (
        "to: {a: 1, B: 2}",
        '1:49 error ROUTE.to.B: expected a service\'s name, found "B": names have small letters, digits, `-`, `_` and `.`',
    ),
    (
        "to: {a: 95%}",
        "1:39 error ROUTE.to: the percentages sum up to 95%, where 100% are all requests: mend one of them",
    ),
    (
        "to: {a: -1, b: true}",
        "1:43 error ROUTE.to.a: expected a whole number from 0 to 4294967295, found -1",
        "1:50 error ROUTE.to.b: expected a whole number from 0 to 4294967295, found true",
    ),
    (
        "to: {a: 4294967295, b: 1}",
        "1:39 error ROUTE.to: the weights sum up to 4294967296: Envoy takes 4294967295 at most",
    ),
    (
        "to: [a, b]",
        "1:39 error ROUTE.to: expected a service's name, or several as in {v1: 95, v2: 5}, found a list: "
        "write {a: 1, b: 1}",
    ),
    (
        "to: A",
        '1:39 error ROUTE.to: expected a service\'s name, found "A": names have small letters, digits, `-`, `_` and `.`',
    ),
    ("to: a, respond: {status: 200}", "1:51 error ROUTE.respond: a route has `to` or `respond`, not both"),
    ("redirect: {https: true}, respond: {}", "1:69 error ROUTE.respond: a route has `redirect` or `respond`, not both"),
    (
        "respond: {}, timeout: 1s, mirror: {to: b}",
        "1:57 error ROUTE.timeout: is for requests that go to a service, not beside `respond`",
        "1:69 error ROUTE.mirror: is for requests that go to a service, not beside `respond`",
    ),
    (
        "redirect: {}",
        "1:45 error ROUTE.redirect: redirects a request to its own URL: write `https: true`, `host`, `port`, `prefix` or `path` in it",
    ),
    (
        "redirect: {code: 302, port: 1, prefix: /a}, path: /b",
        "1:74 error ROUTE.redirect.prefix: the route has no prefix but `path`: write `path` here",
    ),
    ("redirect: {https: yes}", '1:53 error ROUTE.redirect.https: expected true or false, found "yes": write true'),
    (
        "redirect: {path: /a, code: 300}",
        "1:62 error ROUTE.redirect.code: expected one of 301, 302, 303, 307, 308; found 300",
    ),
    ("redirect: {path: /a, prefix: /b}", "1:52 error ROUTE.redirect.path: a redirect has `prefix` or `path`, not both"),
    (
        "redirect: {host: 'https://a.com'}",
        '1:52 error ROUTE.redirect.host: a host has no scheme or path: write "a.com", with `https: true` beside it',
    ),
    ("respond: {status: 99}", "1:53 error ROUTE.respond.status: expected a status from 200 to 599, found 99"),
    (
        "respond: 404",
        "1:44 error ROUTE.respond: expected a mapping, such as {status: 404}, found 404: write {status: 404}",
    ),
    ("respond: {body: 5}", '1:51 error ROUTE.respond.body: expected text, found 5: write "5" in quotes'),
    ("respond: {txt: a}", '1:45 error ROUTE.respond.txt: unknown key "txt": known are status, body'),
    ("to: a, method: get", '1:50 error ROUTE.method: expected a method, such as GET, found "get": write GET'),
    ("to: a, method: [GET, CONNECT]", "1:56 error ROUTE.method[1]: CONNECT requests a tunnel, which no route provides"),
    (
        "to: a, method: 5",
        "1:50 error ROUTE.method: expected a method, or a list of them, such as GET or [GET, HEAD], found 5",
    ),
    (
        "to: a, query: {'a b': c}",
        '1:57 error ROUTE.query["a b"]: "a b" is not a parameter\'s name: write it as in the URL, percent-encoded',
    ),
    ("to: a, query: {a: ''}", '1:53 error ROUTE.query.a: an empty value matches nothing: write "*" for any value'),
    (
        "to: a, query: {a: 5}",
        '1:53 error ROUTE.query.a: expected text, such as {prefix: a}, or "*" for any value, found 5: write "5" in quotes',
    ),
    ("to: a, prefix: /a, regex: /b", "1:61 error ROUTE.regex: a route has `prefix` or `regex`, not both"),
    (
        "to: a, regex: '/a(?=b)'",
        "1:49 error ROUTE.regex: `(?=` at character 3 looks ahead, which Envoy's patterns (RE2) cannot: write what follows into the pattern itself",
    ),
    (
        "to: a, regex: '/(a)\\1'",
        "1:49 error ROUTE.regex: `\\1` at character 5 refers back to a group, which Envoy's patterns (RE2) cannot: "
        "write out what is meant",
    ),
    (
        "to: a, regex: '/(a'",
        r"1:49 error ROUTE.regex: a `(` has no `)`: close it, or write `\(` for the character itself",
    ),
    ("to: a, regex: 'a.*'", '1:49 error ROUTE.regex: matches no path, which is ASCII and begins with /: write "/a.*"'),
    (
        "to: a, regex: '/[0-9]{200}'",
        "1:49 error ROUTE.regex: is too large: Envoy takes patterns of 100 steps, one for each character, and times each {n}; this has 205",
    ),
    (
        "to: a, regex: '/a{1001}'",
        "1:49 error ROUTE.regex: `{1001}` at character 3 is no number of times for RE2: 1000 at most, nested ones "
        "times each other, lower first",
    ),
    (
        "to: a, rewrite: {}",
        "1:51 error ROUTE.rewrite: is empty: write `prefix`, `path`, `template` or `host` in it",
    ),
    (
        "to: a, rewrite: /v2",
        '1:51 error ROUTE.rewrite: expected a mapping, such as {prefix: /v2}, found "/v2": write {prefix: /v2}',
    ),
    (
        "to: a, rewrite: {path: /a, location: true}",
        "1:72 error ROUTE.rewrite.location: is for `prefix`, which is missing here: write it, or leave this out",
    ),
    (
        "to: a, rewrite: {prefix: /a, path: /b}",
        "1:70 error ROUTE.rewrite.path: a rewrite has `prefix` or `path`, not both",
    ),
    (
        "to: a, path: /a, rewrite: {prefix: /b}",
        "1:70 error ROUTE.rewrite.prefix: the route has no prefix but `path`: write `path` here",
    ),
    (
        "to: a, rewrite: {path: '/\\1'}",
        "1:58 error ROUTE.rewrite.path: a \\ stands for a group of the route's `regex`, which it has not",
    ),
    (
        "to: a, regex: '/(a)', rewrite: {path: '/\\2'}",
        "1:73 error ROUTE.rewrite.path: \\2 is no group of the route's `regex`: it has 1",
    ),
    (
        "to: a, rewrite: {path: v2}",
        '1:58 error ROUTE.rewrite.path: expected a path that begins with /, without query, found "v2": write "/v2"',
    ),
    (
        "to: a, rewrite: {host: '*.a.com'}",
        '1:58 error ROUTE.rewrite.host: expected a host, such as example.com, found "*.a.com"',
    ),
    ("to: a, rewrite: {prefx: /a}", '1:52 error ROUTE.rewrite.prefx: unknown key "prefx": did you mean `prefix`?'),
    (
        "to: a, request_headers: {}",
        "1:59 error ROUTE.request_headers: is empty: write `set`, `add` or `remove` in it",
    ),
    (
        "to: a, request_headers: {set: {Connection: close, ':path': /, Host: a, 'a b': c, x: ''}}",
        '1:78 error ROUTE.request_headers.set.Connection: "Connection" belongs to one connection: Envoy sets it itself',
        '1:94 error ROUTE.request_headers.set.:path: ":path" is not a header: it is a part of the request itself',
        "1:103 error ROUTE.request_headers.set.Host: the Host header is changed by `rewrite: {host: ...}`",
        '1:113 error ROUTE.request_headers.set["a b"]: "a b" is not a header\'s name: letters, digits and - only',
        "1:119 error ROUTE.request_headers.set.x: a header's value has no control characters, and no spaces at its ends",
    ),
    (
        "to: a, request_headers: {set: {x-a: b}, remove: [X-A, x-b, X-B]}",
        '1:94 error ROUTE.request_headers.remove[2]: "X-B" is given twice: capitals make no difference',
    ),
    (
        "to: a, response_headers: {add: {server: a}, remove: date}",
        '1:87 error ROUTE.response_headers.remove: expected a list of header names, such as [x-internal], found "date": write it as a list, [date]',
    ),
    (
        "to: a, response_headers: {st: {server: a}}",
        '1:61 error ROUTE.response_headers.st: unknown key "st": did you mean `set`?',
    ),
    ("to: a, timeout: 5", "1:51 error ROUTE.timeout: a duration needs a unit: write 5s or 5ms, not 5"),
    (
        "to: a, retries: {budget: {}}",
        "1:60 error ROUTE.retries.budget: is for a service's `retries`: it is kept over all routes to it",
    ),
    ("to: a, retries: 11", "1:51 error ROUTE.retries: expected a whole number from 0 to 10, found 11"),
    (
        "to: a, mirror: b",
        '1:50 error ROUTE.mirror: expected `off`, or a mapping such as {to: shadow, percent: 10%}, found "b": write {to: b}',
    ),
    ("to: a, mirror: {percent: 10}", "1:50 error ROUTE.mirror: `to` is missing: a service's name"),
    (
        "to: a, mirror: {to: b, percent: 0}",
        "1:67 error ROUTE.mirror.percent: expected a percentage from 0.0001% to 100%, such as 10%, found 0",
    ),
    (
        "to: a, mirror: {to: b, percent: ten}",
        '1:67 error ROUTE.mirror.percent: expected a percentage from 0.0001% to 100%, such as 10%, found "ten"',
    ),
    (
        "redirect: {host: 5}",
        '1:52 error ROUTE.redirect.host: expected a host, such as example.com, found 5: write "5" in quotes',
    ),
    (
        "to: a, rewrite: {host: 5}",
        '1:58 error ROUTE.rewrite.host: expected a host, such as example.com, found 5: write "5" in quotes',
    ),
    (
        "to: a, method: [GET, HEAD, POST, PUT, DELETE, OPTIONS, PATCH, TRACE, PROPFIND, PROPPATCH, MKCOL, COPY, MOVE, LOCK, UNLOCK]",
        "1:50 error ROUTE.method: has 15 methods: more than Envoy takes in one route",
    ),
]
"""A route's content and the message. ROUTE stands for the route's path."""

ROUTE_CASES = [
    (
        f"gateways: {{g: {{port: 1, routes: [{{{text}}}]}}}}",
        *(one.replace("ROUTE", "gateways.g.routes[0]", 1) for one in messages),
    )
    for text, *messages in ROUTES
]
"""Whole catalogs, like the other cases."""
