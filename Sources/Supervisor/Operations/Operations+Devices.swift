import Address
import Admin
import Glibc
import Policy

extension Operations {
    static let devices: [Method<Gateway>] = [
        Method(ListDevices.self) { gateway, _, _ in
            gateway.takeCensus(in: gateway.surroundings)
            await gateway.measureTraffic()
            return ListDevices.Reply(devices: gateway.deviceStatuses(), turnedAway: gateway.census.turnedAway)
        },
        Method(SetDevice.self) { gateway, call, caller in
            let summary = "device set \(call.device): \(call.details(besides: "device"))"
            return try await gateway.apply(by: caller, summary) { policy throws(Refusal) in
                let household = gateway.surroundings.household
                let hardware = try policy.hardware(named: call.device, in: household)
                try policy.changeDevice(hardware, in: gateway.surroundings) { device in
                    call.change(&device)
                    if case .one(.until(let end)) = call.pause { device.pause = .until(gateway.timekeeper.adopt(end)) }
                }
            }
        },
        Method(ForgetDevice.self) { gateway, call, caller in
            let hardware = try gateway.policy.hardware(named: call.device, in: gateway.surroundings.household)
            guard
                gateway.policy.device(with: hardware) != nil || gateway.census[hardware] != nil
                    || gateway.learnings[hardware] != nil
            else {
                throw Refusal("nothing is known of the device \(call.device); `gatehousectl device list` shows them")
            }
            let applied = try await gateway.apply(by: caller, "device forget \(call.device)") {
                policy throws(Refusal) in
                try policy.forgetDevice(hardware)
            }
            if caller.manner.dryRun != true {
                await gateway.whenKept(applied) { gateway in
                    gateway.forgetLearning(hardware)
                    await gateway.forgetAcquaintance(hardware)
                }
            }
            return applied
        },
    ]
}

extension Gateway {
    /// The name of the device that `text` names, about which from now on something is decided; nil: none is named.
    func adopt(_ text: String?, in policy: inout Policy) throws(Refusal) -> String? {
        guard let text else { return nil }
        return policy.adopt(try policy.hardware(named: text, in: surroundings.household), in: surroundings.household)
    }

    /// What the device is called that `text` names; nil: none is named.
    func deviceName(_ text: String?) throws(Refusal) -> String? {
        guard let text else { return nil }
        let hardware = try policy.hardware(named: text, in: surroundings.household)
        let names = policy.deviceNames(in: surroundings.household)
        return surroundings.household.member(hardware).flatMap { names[$0.number] }
            ?? policy.device(with: hardware)?.name ?? text
    }

    /// The devices by their names.
    func deviceStatuses() -> [DeviceStatus] {
        let names = policy.deviceNames(in: surroundings.household)
        let now = now
        let seen = surroundings.household.members.map { member in
            var status = DeviceStatus(name: names[member.number] ?? "\(member.hardware)", hardware: member.hardware)
            status.number = Int(member.number)
            status.hostname = member.hostname
            status.interface = member.interface
            status.addresses = member.addresses
            status.isPresent = census.isPresent(member.hardware, at: now)
            status.firstSeen = census[member.hardware]?.firstSeen
            status.lastSeen = census[member.hardware]?.lastSeen
            if let known = census[member.hardware], known.day == today {
                (status.sentToday, status.receivedToday) = (known.sent, known.received)
            }
            if let rate = meter.rates[member.number] {
                (status.sentRate, status.receivedRate) = (rate.sent, rate.received)
            }
            if let zone = policy.zone(of: member.interface) {
                status.zone = zone.name
                status.way = policy.way(of: member.hardware, in: zone)
                status.stop = policy.stop(of: member.hardware, in: zone, at: now, on: surroundings.clock)
            }
            return status
        }
        let unseen = policy.devices.filter { surroundings.household.member($0.hardware) == nil }
            .map { DeviceStatus(name: $0.name, hardware: $0.hardware) }
        let named = Set((seen + unseen).map(\.hardware))
        // The operator has it learn as soon as it shows itself.
        let awaited = learnings.devices.filter { !named.contains($0) }
            .map { DeviceStatus(name: "\($0)", hardware: $0) }
        return (seen + unseen + awaited).map(decided).sorted { $0.name < $1.name }
    }

    /// With what the operator has decided.
    private func decided(_ status: DeviceStatus) -> DeviceStatus {
        var status = status
        status.learnsUntil = learnings[status.hardware]?.until
        guard let device = policy.device(with: status.hardware) else { return status }
        status.isHeld = policy.isHeld(device.name)
        status.isNamed = true
        status.ownWay = device.way
        status.fixedAddress = device.address
        status.pause = device.pause
        status.schedule = device.schedule
        return status
    }
}
