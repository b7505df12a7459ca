import Wire

/// What a SOCKS client asks for, in either protocol.
struct SOCKSRequest {
    let command: SOCKS5Command
    let address: SOCKS5Address
    let port: UInt16

    init(_ request: SOCKS5Request) {
        (command, address, port) = (request.command, request.address, request.port)
    }

    init(_ request: SOCKS4Request) {
        (command, address, port) = (request.command, request.address, request.port)
    }
}
