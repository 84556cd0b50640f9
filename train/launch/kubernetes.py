"""A Kubernetes job: one pod for each node, found through a headless service.

The pods of an indexed job have fixed names, so all meet at the first. Before a pod is taken away its
``preStop`` hook writes the stop file and waits until the run has saved; all pods then end with code 75, which
the job does not count as a failure, and are started again. The run goes on by itself from the last
checkpoint.
"""

from __future__ import annotations

import json
import shlex
from dataclasses import dataclass

from train.launch.job import GRACE_S, PREEMPTED, Job, torchrun

PORT = 29400
AGAIN = 75
"""Exit code of a pod that wants to be started again (``EX_TEMPFAIL``)."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Kubernetes:
    """Settings of Kubernetes.

    Attributes:
        image: Container image with this package.
        namespace: Of the job.
        claim: Persistent volume claim with data, tokenizer and run folder.
        mount: Where it is mounted.
        shm_gib: Shared memory of a pod.
    """

    image: str
    namespace: str = "default"
    claim: str = "opencoder"
    mount: str = "/data"
    shm_gib: int = 64


_SCRIPT = """\
set -u
if [ "$JOB_COMPLETION_INDEX" = 0 ]; then rm -f {stop}; fi
code=0
{torchrun} || code=$?
if [ "$code" = 0 ] && grep -qs {preempted} {stop}; then exit {again}; fi
exit "$code"
"""
# Process 1 is the script above; the hook is killed with it, or when the time of grace is over.
_PRE_STOP = "echo {preempted} >{stop}; while kill -0 1; do sleep 1; done"
_YAML = """\
apiVersion: v1
kind: Service
metadata:
  name: {name}
  namespace: {namespace}
spec:
  clusterIP: None
  publishNotReadyAddresses: true
  selector:
    job-name: {name}
  ports:
    - name: rendezvous
      port: {port}
---
apiVersion: batch/v1
kind: Job
metadata:
  name: {name}
  namespace: {namespace}
spec:
  completionMode: Indexed
  completions: {nodes}
  parallelism: {nodes}
  backoffLimit: {failures}
  podFailurePolicy:
    rules:
      - action: Ignore
        onPodConditions:
          - type: DisruptionTarget
      - action: Ignore
        onExitCodes:
          containerName: trainer
          operator: In
          values: [{again}]
  template:
    spec:
      subdomain: {name}
      restartPolicy: Never
      terminationGracePeriodSeconds: {grace}
      containers:
        - name: trainer
          image: {image}
          command: ["/bin/bash", "-c"]
          args:
            - |
{script}
          env:
{environment}
          ports:
            - containerPort: {port}
          lifecycle:
            preStop:
              exec:
                command: ["/bin/bash", "-c", {pre_stop}]
          resources:
            limits:
              nvidia.com/gpu: {gpus}
          securityContext:
            capabilities:
              add: ["IPC_LOCK"]
          volumeMounts:
            - name: data
              mountPath: {mount}
            - name: shm
              mountPath: /dev/shm
      volumes:
        - name: data
          persistentVolumeClaim:
            claimName: {claim}
        - name: shm
          emptyDir:
            medium: Memory
            sizeLimit: {shm}Gi
"""


def manifest(job: Job, settings: Kubernetes) -> str:
    """Return the service and the job of a run as one YAML file."""
    stop = shlex.quote(job.stop)
    command = " ".join(torchrun(job, f"{job.name}-0.{job.name}:{PORT}", job.name))
    script = _SCRIPT.format(stop=stop, torchrun=command, preempted=PREEMPTED, again=AGAIN)
    return _YAML.format(
        name=job.name,
        namespace=settings.namespace,
        port=PORT,
        nodes=job.nodes,
        # One broken node takes all pods down with it.
        failures=10 * job.nodes,
        again=AGAIN,
        grace=GRACE_S,
        image=json.dumps(settings.image),
        script=_indented(script, 14),
        environment=_indented(
            "\n".join(
                f"- name: {name}\n  value: {json.dumps(value)}" for name, value in job.variables.items()
            ),
            12,
        ),
        pre_stop=json.dumps(_PRE_STOP.format(preempted=PREEMPTED, stop=stop)),
        gpus=job.per_node,
        mount=json.dumps(settings.mount),
        claim=settings.claim,
        shm=settings.shm_gib,
    )


def _indented(text: str, spaces: int) -> str:
    return "\n".join(" " * spaces + line for line in text.rstrip("\n").split("\n"))
