extension HTTPRequestHead {
    /// Whether the client asks for HTML by name and would rather have it than plain text (RFC 9110 §12.5.1), as browsers do for
    /// what a person is to read. `*/*`, which programs send, asks for nothing by name.
    package var prefersHTML: Bool {
        var (named, html, plain, text, any): (Int?, Int?, Int?, Int?, Int?)
        for value in fields.values(of: "accept") {
            for member in listMembers(value) {
                let parts = member.split(separator: UInt8(ascii: ";"), omittingEmptySubsequences: false)
                guard let type = parts.first.map(trimmed) else { continue }
                let weight = qualityValue(parts.dropFirst())
                func isCalled(_ name: StaticString) -> Bool { name.withUTF8Buffer { equalsIgnoringCase(type, $0) } }
                if isCalled("text/html") {
                    html = max(html ?? 0, weight)
                } else if isCalled("application/xhtml+xml") {
                    named = max(named ?? 0, weight)
                } else if isCalled("text/plain") {
                    plain = max(plain ?? 0, weight)
                } else if isCalled("text/*") {
                    text = weight
                } else if isCalled("*/*") {
                    any = weight
                }
            }
        }
        // The most specific range counts. A client that knows XHTML alone reads a page as well.
        guard let wish = html ?? named, wish > 0 else { return false }
        return wish >= plain ?? text ?? any ?? 0
    }
}

/// The members of a list in which strings between quotation marks may hold commas (RFC 9110 §5.6.1, §5.6.4).
private func listMembers(_ value: ArraySlice<UInt8>) -> [ArraySlice<UInt8>] {
    var members: [ArraySlice<UInt8>] = []
    var (start, index, isQuoted) = (value.startIndex, value.startIndex, false)
    while index < value.endIndex {
        switch value[index] {
        case UInt8(ascii: "\""): isQuoted.toggle()
        case UInt8(ascii: "\\") where isQuoted: index = min(index + 1, value.endIndex - 1)
        case ASCII.comma where !isQuoted:
            members.append(value[start..<index])
            start = index + 1
        default: break
        }
        index += 1
    }
    return members + [value[start...]]
}

/// The weight among the parameters of a media range, in thousandths (RFC 9110 §12.4.2); 1000 where there is none, and for what is no
/// weight. Java writes `.2`.
private func qualityValue(_ parameters: some Sequence<ArraySlice<UInt8>>) -> Int {
    for parameter in parameters.lazy.map(trimmed) {
        guard parameter.count >= 2, parameter[parameter.startIndex] | 0x20 == UInt8(ascii: "q"),
            parameter[parameter.startIndex + 1] == UInt8(ascii: "=")
        else { continue }
        let number = parameter.dropFirst(2)
        let whole = number.prefix { $0 != UInt8(ascii: ".") }
        guard whole.allSatisfy({ $0 == UInt8(ascii: "0") }) else { return 1000 }
        let digits = number.dropFirst(whole.count + 1).prefix(3)
        guard digits.allSatisfy(\.isDigit) else { return 1000 }
        let thousandths = digits.reduce(0) { $0 * 10 + Int($1 - UInt8(ascii: "0")) }
        return thousandths * [1000, 100, 10, 1][digits.count]
    }
    return 1000
}
