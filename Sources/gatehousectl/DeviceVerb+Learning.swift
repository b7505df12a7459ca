import Address
import Admin
import ArgumentParser
import Policy

// Where a device goes, and what holds it to that.

extension DeviceVerb {
    struct Show: ParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "A device, where it was seen to go while it learnt, and what it was refused since it is held.")

        @OptionGroup var which: Which
        @OptionGroup(title: "Global options") var global: GlobalOptions

        func run() throws {
            try Daemon(global).show(GetDevice(device: which.device), present)
        }

        private func present(_ reply: GetDevice.Reply) {
            let device = reply.status
            let addresses = device.addresses.map(\.description).joined(separator: " ")
            print("\(device.name): \(device.hardware)\(addresses.isEmpty ? "" : ", at \(addresses)")")
            var words = [device.zone.map { "in the zone \($0)" }, device.way.map(\.rawValue)].compactMap(\.self)
            if device.isHeld { words.append("held to what it was seen to need") }
            if !words.isEmpty { print(words.joined(separator: ", ")) }
            if let learning = reply.learning { present(learning, of: device) }
            let rules = reply.rules.filter { $0.origin == .hand || !device.isHeld }
            if !rules.isEmpty {
                print()
                for rule in rules { print("rule \(rule.id): \(rule)") }
            }
            guard !reply.refused.isEmpty else { return }
            print()
            table(reply.refused, "REFUSED").show()
        }

        private func present(_ learning: LearningStatus, of device: DeviceStatus) {
            let time = learning.until.map { ", and learns until \(localTime($0))" } ?? ""
            let count = counted(learning.sightings.count, "destination")
            print("seen at \(count) since \(localTime(learning.since))\(time)")
            if !learning.sightings.isEmpty {
                print()
                table(learning.sightings, "DESTINATION").show()
            }
            guard learning.missed > 0 else { return }
            warn(
                "there was no room for more than \(counted(Learning.capacity, "destination")): \(device.name) went elsewhere "
                    + "\(counted(learning.missed, "time")) besides, and a hold would not let it")
        }

        private func table(_ sightings: [VisitSighting], _ title: String) -> Table {
            var table = Table(
                .text(title), .text("PROTOCOL"), .text("PORT"), .number("TIMES"), .text("LAST"),
                .text("FIRST", rank: 2),
                .text("ADDRESS", rank: 1))
            for sighting in sightings {
                let visit = sighting.visit
                table.add(
                    .init("\(visit.host)"), .init("\(visit.transport)"), .init(visit.port.map { "\($0)" } ?? "-"),
                    .init("\(sighting.count)"), .init(localTime(sighting.last)), .init(localTime(sighting.first)),
                    .init(sighting.address?.description ?? "-", .dim))
            }
            return table
        }
    }

    struct Learn: ParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Note where a device goes.",
            discussion: """
                By every way that it has: routed, over either IP version and whatever protocol, and through the proxies. By \
                name where the gateway gave it the address or connects for it, and otherwise by address. Nothing else is let \
                through or refused for it. What goes from device to device past the gateway is not seen.

                Give it the time to do all that it is to do: to look for a new version, to send an alarm. `device show` lists \
                what was seen, `device hold` holds the device to it.

                EXAMPLES:
                  gatehousectl device learn camera
                  gatehousectl device learn tv --for 30d
                  gatehousectl device learn camera --stop
                """)

        @OptionGroup var which: Which

        @Option(
            name: .customLong("for"),
            help: ArgumentHelp(
                "It learns for so long, from 1m to 60d; a week, if you do not say.", valueName: "time"),
            transform: Span.parse)
        var span: Span?

        @Flag(help: "Forget what was seen of it before.")
        var anew = false

        @Flag(help: "It learns no longer. What was seen stays.")
        var stop = false

        @OptionGroup(title: "Global options") var global: GlobalOptions

        func validate() throws {
            guard !stop || span == nil && !anew else {
                throw ValidationError("--stop ends it, and goes with neither --for nor --anew.")
            }
        }

        func run() throws {
            let daemon = try Daemon(global)
            if stop {
                return try daemon.show(StopLearning(device: which.device)) { _ in
                    print(
                        "\(which.device) learns no longer; `gatehousectl device show \(which.device)` lists what was seen"
                    )
                }
            }
            let call = LearnDevice(
                device: which.device, seconds: span?.seconds ?? Self.week, anew: anew ? true : nil)
            try daemon.show(call) { reply in
                print("\(which.device) learns until \(localTime(reply.until))")
                for warning in reply.warnings { warn(warning) }
            }
        }

        private static let week = 7 * 86_400
    }

    struct Hold: ChangeVerb {
        static let configuration = CommandConfiguration(
            abstract: "Hold a device to where it was seen to go.",
            discussion: """
                Rules like any other allow it that, by name where the name is known, and a last one denies it the rest; what \
                it has under way elsewhere ends at once. `rule list` shows them, and you may remove some. What `rule add allow \
                --device` adds later goes before the last one. A name stands for all that is below it, and no other.

                What the gateway itself offers to the device (names, an address, its openings) is not asked about, nor what \
                devices of one zone do among themselves.

                EXAMPLES:
                  gatehousectl device hold camera --dry-run
                  gatehousectl device hold camera
                  gatehousectl rule add allow --device camera --domain updates.example --port 443
                """)

        @OptionGroup var which: Which
        @OptionGroup(title: "Change options") var manner: ChangeOptions
        @OptionGroup(title: "Global options") var global: GlobalOptions

        func call(_ daemon: Daemon) throws -> HoldDevice { HoldDevice(device: which.device) }
    }

    struct Release: ChangeVerb {
        static let configuration = CommandConfiguration(
            abstract: "Take a device's hold away: the rules that `device hold` made, and no others.")

        @OptionGroup var which: Which
        @OptionGroup(title: "Change options") var manner: ChangeOptions
        @OptionGroup(title: "Global options") var global: GlobalOptions

        func call(_ daemon: Daemon) throws -> ReleaseDevice { ReleaseDevice(device: which.device) }
    }
}
