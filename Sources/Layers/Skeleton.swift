enum LayersSkeleton {}
