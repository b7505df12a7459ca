// Numbers as a person reads them.

import Glibc

/// `0 B`, `999 B`, `1.2 kB`, `34 MB`: decimal units, two digits at least where there are.
func humanBytes(_ bytes: Int) -> String {
    guard bytes >= 1000 else { return "\(bytes) B" }
    var tenths = bytes / 100
    var unit = 0
    let units = ["kB", "MB", "GB", "TB", "PB", "EB"]
    while tenths >= 10_000, unit < units.count - 1 {
        tenths /= 1000
        unit += 1
    }
    return tenths < 100 ? "\(tenths / 10).\(tenths % 10) \(units[unit])" : "\(tenths / 10) \(units[unit])"
}

/// The two largest units: `45 s`, `3 min 5 s`, `2 h 10 min`, `9 d 4 h`.
func humanDuration(seconds: Int) -> String {
    let units = [("d", 86400), ("h", 3600), ("min", 60), ("s", 1)]
    guard let first = units.firstIndex(where: { seconds >= $0.1 }) else { return "0 s" }
    let (name, size) = units[first]
    let whole = "\(seconds / size) \(name)"
    guard first + 1 < units.count, case (let name, let part) = units[first + 1], seconds % size >= part else {
        return whole
    }
    return "\(whole) \(seconds % size / part) \(name)"
}

func counted(_ count: Int, _ noun: String) -> String {
    "\(count) \(noun)\(count == 1 ? "" : "s")"
}

/// By the clock on the wall: `2026-11-23 22:05:17`.
func localTime(_ seconds: Int) -> String {
    var time = time_t(seconds)
    var parts = tm()
    localtime_r(&time, &parts)
    var text = [CChar](repeating: 0, count: 64)
    strftime(&text, text.count, "%Y-%m-%d %H:%M:%S", &parts)
    return text.withUnsafeBufferPointer { String(cString: $0.baseAddress!) }
}
