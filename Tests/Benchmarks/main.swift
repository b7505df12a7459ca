import Glibc

signal(SIGPIPE, SIG_IGN)
DescriptorLimit.raise()
do throws(Failure) {
    try Command.run(Array(CommandLine.arguments.dropFirst()))
} catch {
    let text = "gatehouse-load: \(error)\n"
    write(STDERR_FILENO, text, text.utf8.count)
    exit(1)
}
