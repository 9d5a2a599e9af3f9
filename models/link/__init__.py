"""The optical link, symbol by symbol and from sufficient statistics, in shot-noise units."""
