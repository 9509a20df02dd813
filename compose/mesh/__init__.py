"""Commands for the mesh in containers: `python3 -m mesh --help`. It needs only Python and Docker."""
