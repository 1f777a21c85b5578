"""One user action each: a generator of progress that returns a value."""
