/// A method of org.gatehouse.Admin. The stored properties of the type are the parameters; server and client share it, and
/// `Interface` prints the interface text from it.
package protocol Call: Codable, Sendable {
    /// Its stored properties are the members of the reply.
    associatedtype Reply: Codable, Sendable

    /// The name in the interface: the type's own, unless the type says otherwise.
    static var name: String { get }
    /// Who may call it: operators, unless the type says otherwise.
    static var permission: Permission { get }
    /// The method's documentation in the interface text. A line about a parameter, or about a member of the reply, begins with
    /// its name and a colon.
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

    /// Whether it makes a change, and takes the parameters of `Manner` beside its own.
    package static var isChange: Bool { Reply.self is any Outcome.Type }
}

extension Call {
    /// The parameters without those named in `others`, as text for the history: `authentication required, users anna`.
    /// Parameters that are null are left out.
    package func details(besides others: String...) -> String {
        guard case .object(let members) = try? JSON.decode(JSONValue.self, from: JSON.encode(self)) else { return "" }
        return members.sorted { $0.key < $1.key }
            .filter { !others.contains($0.key) && $0.value != .null }
            .map { "\($0.key) \($0.value.text)" }.joined(separator: ", ")
    }
}
