// Reactor: the event loop on which every role runs.
