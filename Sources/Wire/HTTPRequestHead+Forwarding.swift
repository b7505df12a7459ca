// Heads as they are passed on: what is about one connection is left out, framing is written anew from the one reading that it
// was given, and everything else stays as it came, in its order (RFC 9110 §7.6, RFC 9112 §3.2.2).

extension HTTPRequestHead {
    /// The head for the origin. It never has what was meant for the proxy, and tells nothing about the client: Via, Forwarded
    /// and X-Forwarded-For are left out even if the client sent them, since they tell about what is behind it.
    ///
    /// - Parameters:
    ///   - framing: of this request.
    ///   - keepsUpgrade: the change of protocol is offered to the origin.
    ///   - forwardsLeft: what is left of Max-Forwards.
    ///   - room: bytes that the caller will append.
    package func forwarded(
        to target: HTTPTarget, framing: HTTPFraming, keepsUpgrade: Bool, forwardsLeft: Int? = nil, room: Int = 0
    ) -> [UInt8] {
        var output: [UInt8] = []
        output.reserveCapacity(fields.bytes.count + 64 + room)
        fields.bytes.withUnsafeBufferPointer { bytes in
            output.append(bytes, methodRange)
            output.append(ASCII.space)
            let path = target.pathRange
            if path.isEmpty {
                // RFC 9112 §3.2.4: the last proxy says * for an OPTIONS about the server itself.
                output.append(isMethod("OPTIONS") ? UInt8(ascii: "*") : UInt8(ascii: "/"))
            } else {
                if bytes[path.lowerBound] != UInt8(ascii: "/") { output.append(UInt8(ascii: "/")) }
                output.append(target: path, of: self)
            }
            output.append(" HTTP/1.1\r\nHost: ")
            output.append(bytes, target.hostRange)
            output.append("\r\n")
            for entry in fields.entries {
                if fields.connection.names(fields.bytes[entry.name]) { continue }
                switch entry.known {
                case .other, .authorization, .wwwAuthenticate, .date: output.append(bytes, entry)
                case .expect:
                    // RFC 9110 §10.1.1: an HTTP/1.0 client cannot mean it.
                    if minorVersion >= 1 { output.append(bytes, entry) }
                case .maxForwards:
                    if let forwardsLeft {
                        output.append("Max-Forwards: \(forwardsLeft)\r\n")
                    } else {
                        output.append(bytes, entry)
                    }
                case .upgrade:
                    if keepsUpgrade { output.append(bytes, entry) }
                case .connection, .keepAlive, .proxyAuthorization, .proxy, .te, .trailer, .transferEncoding,
                    .contentLength, .host, .via, .forwarded, .xForwardedFor:
                    break
                }
            }
            output.append(framing)
            output.append(keepsUpgrade ? "Connection: Upgrade\r\n\r\n" : "\r\n")
        }
        return output
    }
}

extension HTTPRequestHead {
    /// The head as text, without credentials: what TRACE is answered with (RFC 9110 §9.3.8).
    package var traced: String {
        // Without the user that it may have.
        let target = (try? absoluteTarget()).map { "http://\(fields.text($0.hostRange))\(fields.text($0.pathRange))" }
        var text = "\(method) \(target ?? self.target) HTTP/1.\(minorVersion)\r\n"
        for (index, entry) in fields.entries.enumerated() {
            if entry.known == .proxyAuthorization || entry.known == .authorization { continue }
            if equalsIgnoringCase(fields.name(at: index), "cookie".utf8) { continue }
            text += "\(fields.text(entry.name)): \(fields.text(entry.value))\r\n"
        }
        return text + "\r\n"
    }
}
