"""The guide to async/await as a test: its programs, unmodified, against local stand-ins."""
