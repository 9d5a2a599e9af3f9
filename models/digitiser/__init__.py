"""The homodyne digitiser: ADC samples to symbols and sums. One integer model per block.

All functions take and return int64 arrays that hold exactly what the gateware's registers hold.
"""
