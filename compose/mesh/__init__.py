"""What a person does to the mesh in containers: `python3 -m mesh --help`. It needs Python and Docker alone."""
