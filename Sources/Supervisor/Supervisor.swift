// Supervisor: the parent of the roles. It owns the store, the admin socket and every listening socket; it spawns the roles,
// gives each the configuration that it needs, and carries every change through all of them or through none.
//
// It reads from its children and from the admin socket, never from the network. It must never parse what a client of a
// proxy sent, and no role but it opens the store.
//
//   Gateway       the policy in force, and who carries it out
//   Transaction   a change, from the request to the switch, or back
//   Fleet         the processes of all roles          Role      what sets a role apart: the table
//   Door          what the kernel is to hold, and how that stands
//   Books, Rescue the store, and the copies for the day on which it cannot be read
//   RoleProcess   a child as its parent sees it      RoleHost  the same channel from the child's side
//   Daemon        the process: options, signals, readiness
