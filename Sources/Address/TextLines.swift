/// The lines of a text, one after the other: a list of a hundred thousand is never held as that many slices.
package struct TextLines: Sequence, IteratorProtocol {
    private let text: [UInt8]
    /// Where the next line begins. nil: there is none.
    private var start: Int?

    /// What ends with a newline has an empty line behind it.
    package init(_ text: [UInt8]) {
        self.text = text
        start = text.startIndex
    }

    package mutating func next() -> ArraySlice<UInt8>? {
        guard let start else { return nil }
        let end = text[start...].firstIndex(of: UInt8(ascii: "\n"))
        self.start = end.map { $0 + 1 }
        return text[start..<(end ?? text.endIndex)]
    }
}
