import Address
import Policy
import Reactor

/// Where a connection to a host may lead, as decided a moment ago.
struct Route {
    let host: Host
    let port: UInt16
    /// In the order of preference, at least one.
    let candidates: [Endpoint]
    /// Whether both families of a name have been answered; false: more candidates may still come.
    var isWhole = true
    /// The policy that judged the candidates.
    let access: Access
    /// Time left for connecting.
    let timeout: Duration
}
