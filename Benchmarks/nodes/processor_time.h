#pragma once

#include <dirent.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

// Seconds that a process has computed; with its children and those that have ended, if it is a postmaster.
static double processor_seconds(int process, bool children) {
  if (process <= 0) return 0;
  double ticks = 0;
  DIR *folder = opendir("/proc");
  if (!folder) {
    perror("/proc");
    exit(1);
  }
  for (struct dirent *entry; (entry = readdir(folder));) {
    int pid = atoi(entry->d_name);
    if (pid <= 0) continue;
    char path[300], line[1024];
    snprintf(path, sizeof path, "/proc/%s/stat", entry->d_name);
    FILE *file = fopen(path, "r");
    if (!file) continue;
    char *rest = fgets(line, sizeof line, file) ? strrchr(line, ')') : NULL;
    int parent;
    unsigned long user, system;
    long user_ended, system_ended;
    if (rest && sscanf(rest + 2, "%*c %d %*d %*d %*d %*d %*u %*u %*u %*u %*u %lu %lu %ld %ld", &parent, &user, &system,
                       &user_ended, &system_ended) == 5) {
      if (pid == process || (children && parent == process)) ticks += (double)(user + system);
      if (pid == process && children) ticks += (double)(user_ended + system_ended);
    }
    fclose(file);
  }
  closedir(folder);
  return ticks / (double)sysconf(_SC_CLK_TCK);
}
