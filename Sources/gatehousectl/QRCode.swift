import CQREncode

/// A text as a camera reads it (ISO/IEC 18004), drawn with half blocks: two modules to a character.
struct QRCode {
    private let width: Int
    /// Row by row; whether it is dark.
    private let modules: [Bool]

    /// Light modules around it, without which a camera does not find it (ISO/IEC 18004 §5.3.8).
    private static let quietZone = 4

    /// nil if the text is too long for any.
    init?(_ text: String) {
        // Version 0: the smallest that the text fits in.
        guard let code = QRcode_encodeString8bit(text, 0, QR_ECLEVEL_M) else { return nil }
        defer { QRcode_free(code) }
        width = Int(code.pointee.width)
        let data = UnsafeBufferPointer(start: code.pointee.data, count: width * width)
        modules = data.map { $0 & 1 == 1 }
    }

    private func isDark(_ row: Int, _ column: Int) -> Bool {
        let (row, column) = (row - Self.quietZone, column - Self.quietZone)
        guard (0..<width).contains(row), (0..<width).contains(column) else { return false }
        return modules[row * width + column]
    }

    /// - Parameter isColoured: black on white whatever the terminal's colours are. Else the light modules are drawn, which is
    ///   right where the background is dark.
    func lines(isColoured: Bool) -> [String] {
        let size = width + 2 * Self.quietZone
        return stride(from: 0, to: size, by: 2).map { row in
            let line = (0..<size).map { column -> Character in
                switch (isDark(row, column) == isColoured, isDark(row + 1, column) == isColoured) {
                case (true, true): "█"
                case (true, false): "▀"
                case (false, true): "▄"
                case (false, false): " "
                }
            }
            // Of the 256 colours, these two are the same in every scheme; "black" and "white" are not.
            return isColoured ? "\u{1b}[38;5;16;48;5;231m\(String(line))\u{1b}[0m" : String(line)
        }
    }
}
