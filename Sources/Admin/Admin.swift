// Admin: the Varlink interface through which the gateway is looked at and changed (varlink.org), its server, its client,
// and who may call what.
//
// It carries requests; it must never change the policy itself (Supervisor does, as the `AdminHandler`).

/// The version of Gatehouse. This line is the only place that states it; the package's build reads it too.
package let gatehouseVersion = "0.1.0"

/// Where the daemon listens unless it is told otherwise.
package let defaultSocketPath = "/run/gatehouse/admin.sock"
