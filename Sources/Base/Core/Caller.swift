/// Who is acting: recorded as the actor of every event that the current task causes.
public enum Caller {
    /// "system" for the appliance's own work, "job/ID" for a worker, otherwise the user's name.
    @TaskLocal public static var name = "system"
}
