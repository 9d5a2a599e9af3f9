"""Networks, the data they classify, and the files that ship of both."""
