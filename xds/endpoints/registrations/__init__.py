"""Services that register themselves, by the rules of Consul: what is registered, how healthy it is, and what is served.

Pure rules: the clock is handed in, as seconds since the epoch that never go back. How clients reach them is in
`xds/server/registration`.
"""
