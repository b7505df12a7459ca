import Wire

/// RFC 9112 §3 to §5, with limits that inputs of a few hundred bytes reach.
func fuzzHTTPRequestHead(_ input: [UInt8]) {
    var limits = HTTPRequestHeadParser.Limits()
    limits.head = 400
    limits.target = 60
    limits.fields = 8
    limits.method = 12
    let fresh = { [limits] in
        var parser = HTTPRequestHeadParser(limits: limits)
        return { (bytes: borrowing Span<UInt8>) throws in try parser.parse(bytes) }
    }
    guard case .done(let head, let consumed) = feed(input, fresh) else { return }
    hold(
        consumed <= limits.head && head.fields.count <= limits.fields,
        "beyond the limits: \(consumed), \(head.fields.count)")
    hold(1...limits.target ~= head.targetBytes.count && 1...limits.method ~= head.method.utf8.count, "\(head)")
    // What a smuggled request needs: an end of line, or a separator, inside of what was taken for one thing.
    hold(
        head.target.utf8.allSatisfy { 0x21...0x7e ~= $0 } && head.method.utf8.allSatisfy { 0x21...0x7e ~= $0 },
        "\(head)")
    var again = Array("\(head.method) ".utf8) + head.targetBytes + Array(" HTTP/1.\(head.minorVersion)\r\n".utf8)
    for index in 0..<head.fields.count {
        let (name, value) = (head.fields.name(at: index), head.fields.value(at: index))
        hold(!name.isEmpty && name.allSatisfy { 0x21...0x7e ~= $0 && $0 != UInt8(ascii: ":") }, "the name \(name)")
        hold(value.allSatisfy { $0 >= 0x20 && $0 != 0x7f || $0 == 9 }, "the value \(value)")
        hold(value.first != 0x20 && value.last != 0x20, "space around \(value)")
        again += name + [UInt8(ascii: ":")] + value + [13, 10]
    }
    again += [13, 10]
    guard case .done(let second, let length) = feed(again, fresh) else { fatalError("written again it is refused") }
    hold(length == again.count && second.method == head.method && second.target == head.target, "\(second)")
    hold(second.minorVersion == head.minorVersion && second.isPersistent == head.isPersistent, "\(second)")
    hold(second.fields.count == head.fields.count && second.prefersHTML == head.prefersHTML, "\(second)")
    for index in 0..<head.fields.count {
        hold(second.fields.name(at: index).elementsEqual(head.fields.name(at: index)), "\(second)")
        hold(second.fields.value(at: index).elementsEqual(head.fields.value(at: index)), "\(second)")
    }
}
