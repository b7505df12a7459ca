import Glibc

/// One measurement of one contestant, as a line of tab-separated fields.
package struct Record: Sendable {
    package let contestant: String
    package let kind: String
    package let measure: String
    package let values: [String: Double]

    /// Lines that a client printed, with the contestant's name and kind put in front by the script.
    package init?(line: String) {
        let fields = line.split(separator: "\t").map(String.init)
        guard fields.count >= 3 else { return nil }
        contestant = fields[0]
        kind = fields[1]
        measure = fields[2]
        var values: [String: Double] = [:]
        for field in fields.dropFirst(3) {
            let parts = field.split(separator: "=")
            guard parts.count == 2, let value = Double(parts[1]) else { return nil }
            values[String(parts[0])] = value
        }
        self.values = values
    }

    package static func print(_ measure: String, _ values: KeyValuePairs<String, Double?>) {
        let fields = values.compactMap { name, value in value.map { "\(name)=\($0)" } }
        Swift.print(([measure] + fields).joined(separator: "\t"))
    }
}

package func median(_ values: [Double]) -> Double? {
    guard !values.isEmpty else { return nil }
    let sorted = values.sorted()
    let middle = sorted.count / 2
    return sorted.count % 2 == 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2
}

/// Three significant digits, and never an exponent: 31.4, 0.082, 11524.
package func rounded(_ value: Double) -> String {
    guard value != 0 else { return "0" }
    let magnitude = abs(value)
    let places = magnitude >= 100 ? 0 : magnitude >= 10 ? 1 : magnitude >= 1 ? 2 : 3
    let scale = [1.0, 10, 100, 1000][places]
    let whole = Int((magnitude * scale).rounded())
    let sign = value < 0 && whole != 0 ? "-" : ""
    guard places > 0 else { return sign + "\(whole)" }
    let fraction = String(whole % Int(scale))
    return sign + "\(whole / Int(scale))." + String(repeating: "0", count: places - fraction.count) + fraction
}
