// Admin: the Varlink interface through which the gateway is looked at and changed (varlink.org), its server, its client,
// and who may call what.
//
// It carries requests; it must never change the policy itself (Supervisor does).
