// Supervisor: the parent of the roles. It owns the store, the admin socket and every listening socket; it spawns the roles,
// gives each the configuration that it needs, and carries every change through all of them or through none.
