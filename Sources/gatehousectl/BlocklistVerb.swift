import Address
import Admin
import ArgumentParser
import Glibc
import Policy

struct BlocklistVerb: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "blocklist",
        abstract: "Names that are not told to the home, or to a part of it, and networks that are shut out.",
        discussion: """
            The names of a blocklist are answered with an address that nobody has, to programs that look names up by \
            themselves (in a zone that is served) and to the proxies alike. With the networks of a blocklist nothing \
            begins: not from them (in), not to them (out), neither past the proxies nor through them.

            EXAMPLES:
              gatehousectl blocklist add ads hosts.txt --format hosts
              gatehousectl blocklist add games games.txt --device kid
              gatehousectl blocklist add attackers drop.txt --format networks --direction in
              gatehousectl blocklist list
              gatehousectl blocklist remove ads
            """,
        subcommands: [Add.self, List.self, Remove.self])

    struct Add: ChangeVerb {
        static let configuration = CommandConfiguration(
            abstract: "Add a blocklist from a file, or put a new file in its place.",
            discussion: """
                A line that cannot be read is named, and nothing is changed. A comment begins with #.

                EXAMPLES:
                  gatehousectl blocklist add ads hosts.txt --format hosts   # 0.0.0.0 ads.example
                  gatehousectl blocklist add ads domains.txt                # ads.example and all below it
                  gatehousectl blocklist add bad drop.txt --format networks # 192.0.2.0/24, both ways
                """)

        @Argument(help: "What it is to be called.")
        var name: String

        @Argument(help: "The file; - is standard input.", completion: .file())
        var file: String

        @Option(
            name: .customLong("format"),
            help:
                "How the file names them: hosts as hosts(5), domains a name in each line, names as `export` writes them; networks a network in each line (default: domains; networks where there is a direction)."
        )
        var givenFormat: Blocklist.Format?

        @Option(
            help:
                "Of networks: which conversations do not begin, those that they begin (in), those with them (out), or both."
        )
        var direction: Blocklist.Direction?

        @Option(
            help: ArgumentHelp("The zone for whose devices it holds.", valueName: "name"),
            completion: .column(1, ofVerb: "zone"))
        var zone: String?

        @Option(help: ArgumentHelp("The device for which it holds.", valueName: "name"))
        var device: String?

        @OptionGroup(title: "Change options") var manner: ChangeOptions
        @OptionGroup(title: "Global options") var global: GlobalOptions

        func validate() throws {
            if zone != nil, device != nil { throw ValidationError("Give --zone or --device, not both.") }
            guard format == .networks else {
                if direction != nil { throw ValidationError("--direction is of networks, and --format is \(format).") }
                return
            }
            if zone != nil || device != nil {
                throw ValidationError("A blocklist of networks holds for everybody; leave out --zone and --device.")
            }
        }

        /// Only networks have a direction.
        private var format: Blocklist.Format { givenFormat ?? (direction == nil ? .domains : .networks) }

        func call(_ daemon: Daemon) throws -> AddBlocklist {
            let batch = try format == .networks ? bringNetworks(daemon) : bringNames(daemon)
            return AddBlocklist(
                name: name, batch: batch, zone: zone, device: device,
                direction: format == .networks ? direction ?? .both : nil)
        }

        private func bringNames(_ daemon: Daemon) throws -> String {
            let names = try format.names(inFile: file)
            guard !names.isEmpty else { throw Failure("\(file) names nothing; nothing was changed") }
            var batch: String?
            for start in stride(from: 0, to: names.count, by: Self.part) {
                let end = min(start + Self.part, names.count)
                batch = try daemon.ask(BringNames(batch: batch, names: Array(names[start..<end]))).batch
                show(end, of: names.count, "names")
            }
            return batch!
        }

        private func bringNetworks(_ daemon: Daemon) throws -> String {
            let lines = try Blocklist.Format.networks(inFile: file)
            guard !lines.isEmpty else { throw Failure("\(file) names nothing; nothing was changed") }
            var batch: String?
            var rest = lines[...]
            while !rest.isEmpty {
                // A part ends with a line.
                let part = rest.prefix(Self.partBytes)
                let end = (part.lastIndex(of: UInt8(ascii: "\n")) ?? part.endIndex - 1) + 1
                let text = String(decoding: rest[..<end], as: UTF8.self)
                batch = try daemon.ask(BringNetworks(batch: batch, networks: text)).batch
                rest = rest[end...]
                show(end, of: lines.count, "networks")
            }
            return batch!
        }

        /// Bytes of networks in one call.
        private static let partBytes = 100_000
        /// Names in one call, which has a megabyte: no name is longer than 253 bytes.
        private static let part = 4000

        /// On a terminal, where it takes more than a moment.
        private func show(_ done: Int, of count: Int, _ noun: String) {
            guard isatty(2) == 1, count > Self.part else { return }
            let text = done < count ? "\rbringing \(noun): \(100 * done / count) %" : "\r\u{1b}[K"
            let bytes = Array(text.utf8)
            _ = write(2, bytes, bytes.count)
        }
    }

    struct List: ParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "The blocklists, and to which devices their names were refused.", aliases: ["ls"])

        @OptionGroup(title: "Global options") var global: GlobalOptions

        func run() throws {
            try Daemon(global).show(ListBlocklists()) { reply in
                var table = Table(.text("NAME"), .text("FOR"), .number("ENTRIES"), .number("REFUSED"), .text("MOST TO"))
                for list in reply.blocklists {
                    if let direction = list.direction {
                        table.add(
                            "\(list.name)", "networks, \(direction.rawValue)", "\(list.count)",
                            "\(list.refusals.reduce(0) { $0 + $1.count })", "-")
                        continue
                    }
                    let most = list.refusals.max { $0.count < $1.count }
                    let total = list.refusals.reduce(0) { $0 + $1.count }
                    table.add(
                        "\(list.name)", .init(list.device.map { "device \($0)" } ?? list.zone ?? "everybody"),
                        "\(list.count)", "\(total)", .init(most.map { $0.device ?? "unknown devices" } ?? "-"))
                }
                table.show()
            }
        }
    }

    struct Remove: ChangeVerb {
        static let configuration = CommandConfiguration(abstract: "Remove a blocklist.", aliases: ["rm"])

        @Argument(
            help: ArgumentHelp("As `blocklist list` shows it.", valueName: "name"),
            completion: .column(1, ofVerb: "blocklist"))
        var name: String

        @OptionGroup(title: "Change options") var manner: ChangeOptions
        @OptionGroup(title: "Global options") var global: GlobalOptions

        func call(_ daemon: Daemon) throws -> RemoveBlocklist {
            RemoveBlocklist(name: name)
        }
    }
}

extension Blocklist.Format: ExpressibleByArgument {}
extension Blocklist.Direction: ExpressibleByArgument {}

extension Blocklist.Format {
    /// The networks of a file, one in each line and nothing else.
    fileprivate static func networks(inFile path: String) throws -> [UInt8] {
        var networks: [UInt8] = []
        var number = 0
        for line in TextLines(try TextFile.bytes(path)) {
            number += 1
            // Most lines are a network and nothing else.
            if Network(utf8: line) != nil {
                networks += line
                networks.append(UInt8(ascii: "\n"))
                continue
            }
            let text = Substring(decoding: line, as: UTF8.self)
            do throws(Refusal) {
                for network in try Self.networks.names(in: text) { networks += "\(network)\n".utf8 }
            } catch {
                throw Failure("line \(number) of \(path), \"\(text.prefix(80))\": \(error); nothing was changed")
            }
        }
        return networks
    }

    /// The names of a file, each once.
    fileprivate func names(inFile path: String) throws -> [String] {
        var seen: Set<String> = []
        var names: [String] = []
        var number = 0
        for line in try TextFile.lines(path) {
            number += 1
            do throws(Refusal) {
                for name in try self.names(in: line) where seen.insert(name).inserted { names.append(name) }
            } catch {
                throw Failure("line \(number) of \(path), \"\(line.prefix(80))\": \(error); nothing was changed")
            }
        }
        return names
    }
}
