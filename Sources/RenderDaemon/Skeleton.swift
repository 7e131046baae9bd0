enum RenderDaemonSkeleton {}
