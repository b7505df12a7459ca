import Wire

/// RFC 9112 §4 and §6.3, with limits that inputs of a few hundred bytes reach: a response's head, and how its content ends.
func fuzzHTTPResponseHead(_ input: [UInt8]) {
    var limits = HTTPResponseHeadParser.Limits()
    limits.head = 400
    limits.fields = 8
    let fresh = { [limits] in
        var parser = HTTPResponseHeadParser(limits: limits)
        return { (bytes: borrowing Span<UInt8>) throws in try parser.parse(bytes) }
    }
    guard case .done(let head, let consumed) = feed(input, fresh) else { return }
    hold(consumed <= limits.head && head.fields.count <= limits.fields, "beyond the limits: \(consumed)")
    hold(100...999 ~= head.status, "\(head.status)")
    let ask = Array("GET http://a/ HTTP/1.1\r\nHost: a\r\n\r\n".utf8)
    var parser = HTTPRequestHeadParser()
    guard case .done(let request, _)? = try? parser.parse(ask.span),
        let (framing, _) = try? head.framing(answering: request)
    else { return }
    for index in 0..<head.fields.count {
        let value = head.fields.value(at: index)
        hold(value.allSatisfy { $0 >= 0x20 && $0 != 0x7f || $0 == 9 }, "the value \(value)")
        hold(value.first != 0x20 && value.last != 0x20, "space around \(value)")
    }
    // What is passed on has one reading, the same, of which nothing more is to be made.
    let passed = head.forwarded(framing: framing, connection: .stays, at: 0)
    guard
        case .done(let again, let length) = feed(
            passed,
            { [limits] in
                var limits = limits
                // With the framing, Date and Connection more than it had.
                limits.head = 600
                limits.fields = 11
                var parser = HTTPResponseHeadParser(limits: limits)
                return { (bytes: borrowing Span<UInt8>) throws in try parser.parse(bytes) }
            })
    else { fatalError("passed on it is refused: \(passed)") }
    hold(length == passed.count && again.status == head.status && again.isPersistent, "\(passed)")
    guard let (second, isCertain) = try? again.framing(answering: request) else { fatalError("no framing: \(passed)") }
    hold(second == framing && isCertain, "\(framing) became \(second)")
}
