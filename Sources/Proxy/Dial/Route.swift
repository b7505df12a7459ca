import Address
import Policy
import Reactor

/// Where a connection to a host may lead, as decided a moment ago.
struct Route {
    let host: Host
    let port: UInt16
    /// In the order of preference, at least one.
    let candidates: [Endpoint]
    /// What judged them.
    let access: Access
    /// What is left of the time for connecting.
    let timeout: Duration
}
