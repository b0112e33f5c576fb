import Foundation

/// What other users of the machine see of this process.
enum ProcessList {
    /// Writes over the value of `--token` where the system shows arguments. Before that moment it could be seen, which is why
    /// the environment is the better place.
    static func hideToken() {
        let arguments = (0..<Int(CommandLine.argc)).compactMap { CommandLine.unsafeArgv[$0] }
        for (index, argument) in arguments.enumerated() {
            let text = String(cString: argument)
            if text == "--token", index + 1 < arguments.count {
                memset(arguments[index + 1], Int32(UInt8(ascii: "x")), strlen(arguments[index + 1]))
            } else if text.hasPrefix("--token=") {
                memset(argument + 8, Int32(UInt8(ascii: "x")), strlen(argument) - 8)
            }
        }
    }
}
