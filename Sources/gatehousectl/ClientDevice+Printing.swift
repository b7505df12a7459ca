import ArgumentParser
import Policy

extension ClientDevice: ExpressibleByArgument {}

extension ClientDevice.Way {
    /// As on a terminal.
    func lines(for output: Output = .standard) -> [String] {
        let width = fields.map(\.name.count).max() ?? 0
        let rows = fields.map { field in
            let gap = String(repeating: " ", count: width - field.name.count)
            return "    \(field.name)\(gap)  \(output.styled(field.value, .bold))"
        }
        return ["  \(title)"] + rows + commands.map { "    \(output.styled($0, .bold))" }
            + (ending.map { ["  \($0)"] } ?? [])
    }
}
