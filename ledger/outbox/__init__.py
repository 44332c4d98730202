"""The outbox: letters queued as the log is read, written when they are due, and handed on."""
