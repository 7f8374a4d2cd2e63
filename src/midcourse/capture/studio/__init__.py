"""The page on which a person steers: its server, its wire protocol and the work around it."""
