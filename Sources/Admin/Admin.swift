// Admin: the Varlink interface (varlink.org) for looking at the gateway and for changing it: its methods and their permissions,
// its server and its client.
//
// It carries requests; it must never change the policy itself (Supervisor does, as the `AdminHandler`).
//
// To add a method:
// 1. Declare it in Calls/NOUNCalls.swift: a struct that is a `Call`, with its documentation, and its line in `all`.
// 2. Carry it out in Supervisor/Operations+NOUNs.swift: `Method(NAME.self) { gateway, call, caller in … }`.
// 3. Give it a verb in gatehousectl, in the file of the noun.
// 4. Give the verb its line in packaging/gatehousectl.8.
// Name, permission, dispatch and interface text follow. A type in it that has no name yet gets one in InterfaceTypes.swift;
// tests say what was forgotten.

/// The version of Gatehouse. This line is the only place that states it; the package's build reads it too.
package let gatehouseVersion = "0.1.0"

/// Where the daemon listens unless it is told otherwise.
package let defaultSocketPath = "/run/gatehouse/admin.sock"
