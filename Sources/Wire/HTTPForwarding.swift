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
                output.append(bytes, path)
            }
            output.append(" HTTP/1.1\r\nHost: ")
            output.append(bytes, target.hostRange)
            output.append("\r\n")
            let named = fields.namesInConnection
            for entry in fields.entries {
                if !named.isEmpty, fields.isNamed(entry, in: named) { continue }
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

extension HTTPResponseHead {
    /// What the client is told about its connection.
    package enum Connection: Sendable {
        /// It stays, as HTTP/1.1 has it if nothing is said.
        case stays
        case closes
        /// It speaks another protocol from here on (101).
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
            let named = fields.namesInConnection
            var needsLength = keepsLength
            var needsDate = status >= 200
            var offersUpgrade = connection == .upgrades
            for entry in fields.entries {
                if !named.isEmpty, fields.isNamed(entry, in: named) { continue }
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
            // RFC 9110 §7.8: whoever sends Upgrade names it in Connection.
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

extension HTTPFields {
    /// The fields that Connection names, but for those that are known to belong to it anyway (RFC 9110 §7.6.1).
    fileprivate var namesInConnection: [Range<Int>] {
        var names: [Range<Int>] = []
        forEachMember(of: .connection) { range in
            let option = bytes[range]
            for known in ["keep-alive", "close", "upgrade"] where equalsIgnoringCase(option, known.utf8) { return }
            names.append(range)
        }
        return names
    }

    fileprivate func isNamed(_ entry: Entry, in names: [Range<Int>]) -> Bool {
        names.contains { equalsIgnoringCase(bytes[$0], bytes[entry.name]) }
    }
}

extension [UInt8] {
    fileprivate mutating func append(_ bytes: UnsafeBufferPointer<UInt8>, _ range: Range<Int>) {
        append(contentsOf: UnsafeBufferPointer(rebasing: bytes[range]))
    }

    /// One field, without what stood around its parts.
    fileprivate mutating func append(_ bytes: UnsafeBufferPointer<UInt8>, _ entry: HTTPFields.Entry) {
        append(bytes, entry.name)
        append(": ")
        append(bytes, entry.value)
        append("\r\n")
    }

    fileprivate mutating func append(_ text: StaticString) {
        append(contentsOf: UnsafeBufferPointer(start: text.utf8Start, count: text.utf8CodeUnitCount))
    }

    @_disfavoredOverload
    fileprivate mutating func append(_ text: String) {
        append(contentsOf: text.utf8)
    }

    fileprivate mutating func append(_ framing: HTTPFraming) {
        switch framing {
        case .none, .untilClose: break
        case .length(let length): append("Content-Length: \(length)\r\n")
        case .chunked: append("Transfer-Encoding: chunked\r\n")
        }
    }
}

extension HTTPRequestHead {
    /// The head as text, without credentials: what TRACE is answered with (RFC 9110 §9.3.8).
    package var traced: String {
        var text = "\(method) \(target) HTTP/1.\(minorVersion)\r\n"
        for (index, entry) in fields.entries.enumerated() {
            if entry.known == .proxyAuthorization || entry.known == .authorization { continue }
            if equalsIgnoringCase(fields.name(at: index), "cookie".utf8) { continue }
            text += "\(fields.text(entry.name)): \(fields.text(entry.value))\r\n"
        }
        return text + "\r\n"
    }
}
