enum MergingSkeleton {}
