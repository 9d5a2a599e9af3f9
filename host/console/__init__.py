"""The console in the browser: a bench, or what a party knows, on one page behind a door."""
