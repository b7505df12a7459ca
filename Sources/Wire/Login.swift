/// A name and a password as a client sent them, before anybody looked whether they are right. It has no description: it
/// must not reach a log by accident.
package struct Login: Hashable, Sendable, CustomStringConvertible, CustomReflectable {
    package let name: [UInt8]
    package let password: [UInt8]

    package init(name: [UInt8], password: [UInt8]) {
        self.name = name
        self.password = password
    }

    package var description: String { "login" }
    package var customMirror: Mirror { Mirror(self, children: []) }
}
