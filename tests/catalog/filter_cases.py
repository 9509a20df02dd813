"""Mistakes in a route's keys for filters, values and templates, with their messages: cases for `test_mistakes.py`."""
# ruff: noqa: E501 - a message stands on one line, so that a search finds it

FILTERS: list[tuple[str, ...]] = [
    (
        "to: a, headers: {x: {exat: b}}",
        '1:62 error ROUTE.headers.x.exat: unknown key "exat": known are exact, prefix, suffix, contains, regex, absent',
    ),
    (
        "to: a, headers: {x: {prefix: b, suffix: c}, y: {}, z: [a]}",
        "1:55 error ROUTE.headers.x: a value is compared in one way: write one of exact, prefix, suffix, contains, regex, absent, found 2",
        "1:82 error ROUTE.headers.y: a value is compared in one way: write one of exact, prefix, suffix, contains, regex, absent, found 0",
        '1:89 error ROUTE.headers.z: expected text, such as {prefix: a}, or "*" for any value, found a list',
    ),
    (
        "to: a, headers: {x: {prefix: 5}, y: {absent: false}, z: {contains: ''}}",
        '1:64 error ROUTE.headers.x.prefix: expected text, found 5: write "5" in quotes',
        '1:80 error ROUTE.headers.y.absent: expected true, found false: for any value write "*"',
        '1:102 error ROUTE.headers.z.contains: an empty text matches nothing: write "*" for any value',
    ),
    (
        "to: a, headers: {x: {regex: '(?=a)'}, Host: {prefix: a}, y: {prefix: \"a\\tb\"}}",
        "1:63 error ROUTE.headers.x.regex: `(?=` at character 1 looks ahead, which Envoy's patterns (RE2) cannot: write what follows into the pattern itself",
        "1:79 error ROUTE.headers.Host: the Host header is matched by the route's `host`",
        "1:104 error ROUTE.headers.y.prefix: a header's value has no control characters",
    ),
    (
        "to: a, query: {x: {regex: '['}, y: {prefix: 'a b'}}",
        "1:61 error ROUTE.query.x.regex: `[` at character 1 begins a class of characters that has no ] at its end",
        "1:79 error ROUTE.query.y.prefix: a parameter's value is written as in the URL, percent-encoded",
    ),
    (
        "to: a, template: users",
        '1:52 error ROUTE.template: expected a path with variables, such as /users/{id}/orders/*, found "users": write "/users"',
    ),
    ("to: a, template: /a//b", "1:52 error ROUTE.template: has two slashes in a row"),
    (
        "to: a, template: '/a/{b'",
        "1:52 error ROUTE.template: a { begins a variable, and a } ends it, as in /users/{id}",
    ),
    (
        "to: a, template: '/a/{b}{c}'",
        '1:52 error ROUTE.template: a segment is text, *, ** or one variable, as in /users/{id} or /v{major}; found "{b}{c}": after the last *, text may follow, as in /*.html',
    ),
    (
        "to: a, template: '/a/{1b}/{abcdefghijklmnopq}'",
        '1:52 error ROUTE.template: a variable\'s name has letters, digits and _, begins with a letter, and is 16 long at most; found "1b"',
    ),
    ("to: a, template: '/a/{b}/{b}'", "1:52 error ROUTE.template: has the variable b twice"),
    (
        "to: a, template: '/{a}/{b}/{c}/{d}/{e}/{f}'",
        "1:52 error ROUTE.template: has 6 variables, where 5 at most are taken",
    ),
    ("to: a, template: '/**/{a}'", "1:52 error ROUTE.template: no *, ** or variable may stand after a **"),
    (
        "to: a, template: '/a/{b=}'",
        '1:52 error ROUTE.template: a variable stands for text, * and ** between slashes, found ""',
    ),
    (
        "to: a, template: '/a/{b=c?}'",
        '1:52 error ROUTE.template: a variable stands for text, * and ** between slashes, found "c?"',
    ),
    (
        "to: a, template: '/a b'",
        '1:52 error ROUTE.template: a segment is text, *, ** or one variable, as in /users/{id} or /v{major}; found "a b": after the last *, text may follow, as in /*.html',
    ),
    ("to: a, template: /a, prefix: /b", "1:52 error ROUTE.template: a route has `prefix` or `template`, not both"),
    (
        "to: a, template: '/a/{id}', rewrite: {prefix: /b}",
        "1:81 error ROUTE.rewrite.prefix: the route has no prefix but `template`: write `path` here",
    ),
    (
        "to: a, template: '/a/{id}', rewrite: {template: '/b/{ids}'}",
        "1:83 error ROUTE.rewrite.template: `ids` is no variable of the route's `template`: it has id",
    ),
    (
        "to: a, template: '/a/*', rewrite: {template: '/b/{ids}', path: /c}",
        "1:80 error ROUTE.rewrite.template: a rewrite has `path` or `template`, not both",
        "1:80 error ROUTE.rewrite.template: `ids` is no variable of the route's `template`: it has none",
    ),
    (
        "to: a, rewrite: {template: '/b/{id}'}",
        "1:62 error ROUTE.rewrite.template: is for a route with `template`, whose variables it takes: write `path` here",
    ),
    (
        "to: a, template: '/a/{id}', rewrite: {template: 'b/{id}'}",
        '1:83 error ROUTE.rewrite.template: expected a path with variables of the route\'s template, such as /v2/{id}, found "b/{id}"',
    ),
    (
        "to: a, template: '/a/{id}', rewrite: {template: '/b//{id}'}",
        "1:83 error ROUTE.rewrite.template: has two slashes in a row",
    ),
    (
        "to: a, template: '/a/{id}', rewrite: {template: '/b/{id=*}'}",
        '1:83 error ROUTE.rewrite.template: a variable stands here by its name alone, as in /v2/{id}, found "id="',
    ),
    ("to: a, fault: {}", "1:49 error ROUTE.fault: is empty: write `delay`, `abort` or `by_header: true` in it"),
    (
        "to: a, fault: 5",
        "1:49 error ROUTE.fault: expected `off`, or a mapping such as {abort: {status: 503, percent: 5%}}, found 5",
    ),
    (
        "to: a, fault: {delay: {time: 1s}, abort: {percent: 5}}",
        "1:57 error ROUTE.fault.delay: `percent` is missing: a percentage from 0.0001% to 100%, such as 10%",
        "1:76 error ROUTE.fault.abort: `status` is missing: a status from 200 to 599",
    ),
    (
        "to: a, fault: {delay: {time: 0s, percent: 5%}, abort: {status: 99, percent: 0}}",
        "1:64 error ROUTE.fault.delay.time: must be 1ms or more, found 0s",
        "1:98 error ROUTE.fault.abort.status: expected a status from 200 to 599, found 99",
        "1:111 error ROUTE.fault.abort.percent: expected a percentage from 0.0001% to 100%, such as 10%, found 0",
    ),
    (
        "to: a, fault: {dely: {time: 1s, percent: 5}}",
        '1:50 error ROUTE.fault.dely: unknown key "dely": did you mean `delay`?',
    ),
    (
        "to: a, fault: {by_header: yes}",
        '1:61 error ROUTE.fault.by_header: expected true or false, found "yes": write true',
    ),
    (
        "to: a, fault: {by_header: true, delay: {time: 1s, percent: 5}}",
        "1:74 error ROUTE.fault.delay: the request's headers set it: leave out this or `by_header`",
    ),
    (
        "to: a, fault: {abort: {code: 500, percent: 5}}",
        "1:57 error ROUTE.fault.abort: `status` is missing: a status from 200 to 599",
        '1:58 error ROUTE.fault.abort.code: unknown key "code": known are status, percent',
    ),
    (
        "to: a, rate_limit: 100",
        "1:54 error ROUTE.rate_limit: expected `off`, or a mapping such as {requests: 100, per: 1s}, found 100: write {requests: 100}",
    ),
    (
        "to: a, rate_limit: {per: 1s}",
        "1:54 error ROUTE.rate_limit: `requests` is missing: a whole number from 1 to 1000000000",
    ),
    (
        "to: a, rate_limit: {requests: 0, per: 10ms, burst: '5'}",
        "1:65 error ROUTE.rate_limit.requests: expected a whole number from 1 to 1000000000, found 0",
        "1:73 error ROUTE.rate_limit.per: must be 50ms or more, found 10ms",
        '1:86 error ROUTE.rate_limit.burst: expected a whole number from 1 to 1000000000, found "5": write 5 without quotes',
    ),
    (
        "to: a, rate_limit: {requests: 1, per: 5}",
        "1:73 error ROUTE.rate_limit.per: a duration needs a unit: write 5s, not 5",
    ),
    (
        "to: a, cors: {}",
        '1:48 error ROUTE.cors: `origins` is missing: a list of origins, such as ["https://shop.example.com"]',
    ),
    (
        "to: a, cors: {origins: []}",
        '1:58 error ROUTE.cors.origins: expected a list of origins, such as ["https://shop.example.com"], found an empty list',
    ),
    (
        "to: a, cors: {origins: 'https://a.com'}",
        '1:58 error ROUTE.cors.origins: expected a list of origins, such as ["https://shop.example.com"], found "https://a.com": write it as a list, ["https://a.com"]',
    ),
    (
        "to: a, cors: {origins: [a.com, 'https://a.com/x', 'https://a.com:443', 'null', '*a.com', 5, {regx: a}, {regex: '('}]}",
        '1:59 error ROUTE.cors.origins[0]: an origin has a scheme: write "https://a.com"',
        '1:66 error ROUTE.cors.origins[1]: an origin has no path: write "https://a.com"',
        '1:85 error ROUTE.cors.origins[2]: a browser leaves out the usual port: write "https://a.com"',
        "1:106 error ROUTE.cors.origins[3]: is the origin of any sandboxed page or local file: do not trust it",
        '1:114 error ROUTE.cors.origins[4]: expected an origin, such as "https://shop.example.com", "https://*.example.com", {regex: "https://shop[0-9]"} or "*", found "*a.com"',
        '1:124 error ROUTE.cors.origins[5]: expected an origin, such as "https://shop.example.com", "https://*.example.com", {regex: "https://shop[0-9]"} or "*", found 5',
        '1:127 error ROUTE.cors.origins[6]: expected an origin, such as "https://shop.example.com", "https://*.example.com", {regex: "https://shop[0-9]"} or "*", found a mapping',
        r"1:146 error ROUTE.cors.origins[7].regex: a `(` has no `)`: close it, or write `\(` for the character itself",
    ),
    (
        "to: a, cors: {origins: ['*', {regex: '.*'}], credentials: true}",
        "1:59 error ROUTE.cors.origins[0]: any page could act as whoever visits it: name the origins, or leave out `credentials`",
        "1:64 error ROUTE.cors.origins[1]: any page could act as whoever visits it: name the origins, or leave out `credentials`",
    ),
    (
        "to: a, cors: {origins: ['https://a.com'], credentials: true, expose: ['*']}",
        "1:105 error ROUTE.cors.expose[0]: browsers take this literally beside `credentials`: name them",
    ),
    (
        "to: a, cors: {origins: ['https://a.com'], headers: authorization, methods: get, expose: ['a b'], max_age: 1.5s}",
        '1:86 error ROUTE.cors.headers: expected a list of header names, such as [authorization], found "authorization": write it as a list, [authorization]',
        '1:110 error ROUTE.cors.methods: expected a method, such as GET, found "get": write GET',
        '1:124 error ROUTE.cors.expose[0]: "a b" is not a header\'s name: letters, digits and - only',
        "1:141 error ROUTE.cors.max_age: browsers count in whole seconds, found 1.5s",
    ),
    (
        "to: a, cors: {origins: ['https://a.com'], headers: [5], max_age: 1500ms}",
        '1:87 error ROUTE.cors.headers[0]: expected a header\'s name, such as x-user, found 5: write "5" in quotes',
        "1:100 error ROUTE.cors.max_age: browsers count in whole seconds, found 1.5s",
    ),
    (
        "to: a, cors: {origins: ['https://a.com'], header: [a]}",
        '1:77 error ROUTE.cors.header: unknown key "header": did you mean `headers`?',
    ),
    ("to: a, websocket: 1", "1:53 error ROUTE.websocket: expected true or false, found 1"),
    (
        "to: a, websocket: true, max_body: 1MiB, method: POST",
        "1:53 error ROUTE.websocket: a WebSocket begins with GET, which the route's `method` leaves out",
        "1:69 error ROUTE.max_body: a WebSocket has no end to wait for: leave this or `websocket` out",
    ),
    (
        "to: a, grpc_web: true, method: [GET, PUT]",
        "1:52 error ROUTE.grpc_web: a gRPC call is a POST, which the route's `method` leaves out",
    ),
    ("to: a, max_body: 5", "1:52 error ROUTE.max_body: a size needs a unit: write 5B, 5KiB or 5MiB, not 5"),
    ("to: a, max_body: '5'", "1:52 error ROUTE.max_body: a size needs a unit: write 5B, 5KiB or 5MiB, not 5"),
    (
        "to: a, max_body: 5 mb",
        '1:52 error ROUTE.max_body: expected a size in B, KB, MB, GB, KiB, MiB or GiB, such as 1MiB or 512KiB, found "5 mb": did you mean 5MB?',
    ),
    ("to: a, max_body: 0B", "1:52 error ROUTE.max_body: 0B is not a whole number of bytes, 1 at least"),
    ("to: a, max_body: 0.5B", "1:52 error ROUTE.max_body: 0.5B is not a whole number of bytes, 1 at least"),
    ("to: a, max_body: 2GB", "1:52 error ROUTE.max_body: 2GB is too large: a size may be 1GiB at most"),
    (
        "to: a, max_body: []",
        "1:52 error ROUTE.max_body: expected a size in B, KB, MB, GB, KiB, MiB or GiB, such as 1MiB or 512KiB, found an empty list",
    ),
    (
        "respond: {}, fault: {by_header: true}, cors: {origins: ['*']}, websocket: true, max_body: 1B, grpc_web: true, rate_limit: {requests: 1}",
        "1:55 error ROUTE.fault: is for requests that go to a service, not beside `respond`",
        "1:80 error ROUTE.cors: is for requests that go to a service, not beside `respond`",
        "1:109 error ROUTE.websocket: is for requests that go to a service, not beside `respond`",
        "1:125 error ROUTE.max_body: is for requests that go to a service, not beside `respond`",
        "1:139 error ROUTE.grpc_web: is for requests that go to a service, not beside `respond`",
        "1:157 error ROUTE.rate_limit: is for requests that go to a service, not beside `respond`",
    ),
    (
        "redirect: {prefix: /a}, template: '/b'",
        "1:54 error ROUTE.redirect.prefix: the route has no prefix but `template`: write `path` here",
    ),
]

FILTER_CASES = [
    (
        f"gateways: {{g: {{port: 1, routes: [{{{text}}}]}}}}",
        *(one.replace("ROUTE", "gateways.g.routes[0]", 1) for one in messages),
    )
    for text, *messages in FILTERS
]
"""Whole catalogs, like the other cases."""
