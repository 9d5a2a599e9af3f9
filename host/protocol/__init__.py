"""Messages between the parties: `messages.proto`, and the modules generated from it."""
