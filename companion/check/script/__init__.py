"""A script or a notebook as it stands: is what it trains what ``.fit`` trains?"""
