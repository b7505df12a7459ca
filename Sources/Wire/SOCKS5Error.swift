/// Why a client's bytes are not what the protocol asks for.
package enum SOCKS5Error: Error, Hashable, Sendable {
    case unknownVersion(UInt8)
    case unknownLoginVersion(UInt8)
    case emptyLogin
    case unknownCommand(UInt8)
    case unknownAddressType(UInt8)
    /// Empty, or with a byte that no host name has: a control character, a space, anything beyond ASCII.
    case badName

    /// The last words before the close; empty when the peer does not speak SOCKS5, so that no answer could be understood.
    package var answer: [UInt8] {
        switch self {
        case .unknownVersion: []
        case .unknownLoginVersion, .emptyLogin: SOCKS5Login.refused
        case .unknownCommand: SOCKS5ReplyCode.commandNotSupported.reply()
        case .unknownAddressType: SOCKS5ReplyCode.addressTypeNotSupported.reply()
        case .badName: SOCKS5ReplyCode.generalFailure.reply()
        }
    }
}
