"""The simulated Binance USD-M as its clients see it: requests and frames in, answers and frames out.

Everything but `serve.py` and `pump.py` is sans-I/O and takes time as an argument; no rule of the market
or of an account lives here (that is the engine's), and nothing of the gateway is imported.
"""
