/// A method of org.gatehouse.Admin: its parameters, which are the stored properties of the type, and all else that there is
/// to say about it. Server and client share the type; `Interface` prints the interface text from it.
package protocol Call: Codable, Sendable {
    /// Its stored properties are the members of the reply.
    associatedtype Reply: Codable, Sendable

    /// The name in the interface: the type's own, unless the type says otherwise.
    static var name: String { get }
    /// Who may call it: operators, unless the type says otherwise.
    static var permission: Permission { get }
    /// What it does and what its parameters and the members of its reply mean, for the interface text. A line about a
    /// parameter or a member begins with its name and a colon.
    static var documentation: String { get }
}

package enum Permission: Sendable {
    case anyone
    /// uid 0, the daemon's own user, members of the socket's group.
    case `operator`
}

extension Call {
    package static var name: String { "\(Self.self)" }
    package static var permission: Permission { .operator }
}
