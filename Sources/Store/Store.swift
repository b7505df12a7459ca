// Store: the policy and its history, in SQLite.
//
// It knows the schema, its migrations and revisions. It must never decide what a policy may say (Policy does), and no
// process but the supervisor opens it.
