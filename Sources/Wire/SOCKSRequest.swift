/// What a SOCKS client asks for, whichever version it speaks.
package struct SOCKSRequest: Hashable, Sendable {
    /// Version 4 has no `associate`.
    package let command: SOCKSCommand
    /// Never IPv6 in version 4.
    package let address: SOCKSAddress
    package let port: UInt16
}

package enum SOCKSCommand: UInt8, Sendable {
    case connect = 1
    case bind = 2
    case associate = 3
}
