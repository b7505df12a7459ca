extension HTTPResponseHead {
    /// What the response says about the client's connection.
    package enum Connection: Sendable {
        /// The connection stays, which HTTP/1.1 means if nothing is said.
        case stays
        case closes
        /// The connection speaks another protocol from here on (101).
        case upgrades
    }

    /// The head for the client.
    ///
    /// - Parameters:
    ///   - framing: how the content that follows is framed, which may be another way than it came.
    ///   - keepsLength: there is no content, but Content-Length says how long it would be: HEAD and 304.
    ///   - now: seconds since 1970: the Date of a final response that has none (RFC 9110 §6.6.1).
    ///   - room: bytes that the caller will append.
    package func forwarded(
        framing: HTTPFraming, keepsLength: Bool = false, connection: Connection, at now: Int, room: Int = 0
    ) -> [UInt8] {
        var output: [UInt8] = []
        output.reserveCapacity(fields.bytes.count + 128 + room)
        fields.bytes.withUnsafeBufferPointer { bytes in
            output.append("HTTP/1.1 ")
            for divisor in [100, 10, 1] { output.append(UInt8(ascii: "0") + UInt8(status / divisor % 10)) }
            output.append(ASCII.space)
            output.append(bytes, reason)
            output.append("\r\n")
            var needsLength = keepsLength
            var needsDate = status >= 200
            var offersUpgrade = connection == .upgrades
            for entry in fields.entries {
                if fields.connection.names(fields.bytes[entry.name]) { continue }
                switch entry.known {
                case .other, .authorization, .wwwAuthenticate, .host, .maxForwards, .expect, .forwarded, .xForwardedFor:
                    output.append(bytes, entry)
                case .date:
                    output.append(bytes, entry)
                    needsDate = false
                case .contentLength:
                    if needsLength, decimal(fields.bytes[entry.value]) != nil { output.append(bytes, entry) }
                    needsLength = false
                case .upgrade:
                    // Also in a 426, which is about the resource, not about the connection (RFC 9110 §15.5.22).
                    guard connection == .upgrades || status == 426 else { continue }
                    output.append(bytes, entry)
                    offersUpgrade = true
                case .connection, .keepAlive, .proxyAuthorization, .proxy, .te, .trailer, .transferEncoding, .via: break
                }
            }
            if needsDate {
                output.append("Date: ")
                output.append(date: now)
                output.append("\r\n")
            }
            output.append(framing)
            // RFC 9110 §7.8: a sender of Upgrade names it in Connection.
            switch (connection, offersUpgrade) {
            case (.closes, false): output.append("Connection: close\r\n\r\n")
            case (.closes, true): output.append("Connection: close, Upgrade\r\n\r\n")
            case (_, true): output.append("Connection: Upgrade\r\n\r\n")
            case (_, false): output.append("\r\n")
            }
        }
        return output
    }
}
