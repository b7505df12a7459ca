/// Why a client's bytes are not what the protocol asks for.
package enum SOCKS5Error: Error, Hashable, Sendable {
    case unknownVersion(UInt8)
    case unknownLoginVersion(UInt8)
    case emptyLogin
    case unknownCommand(UInt8)
    case unknownAddressType(UInt8)
    /// Empty, or with a byte that no host name has: a control character, a space, anything beyond ASCII.
    case badName

    /// What is wrong with them, as a phrase.
    package var reason: String {
        switch self {
        case .unknownVersion(let byte): "no SOCKS: the first byte is \(byte)"
        case .unknownLoginVersion(let byte): "the login is of version \(byte), and 1 is the only one (RFC 1929)"
        case .emptyLogin: "the login has no name"
        case .unknownCommand(let byte): "there is no command \(byte)"
        case .unknownAddressType(let byte): "there is no address type \(byte)"
        case .badName: "the name is not one of a host"
        }
    }

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
