// gatehoused: chooses a role and composes it.
