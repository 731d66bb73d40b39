// Package volumes makes a folder of the node for each PersistentVolumeClaim, and removes it with the claim.
package volumes

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"
	core "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	meta "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/kubernetes"
	listers "k8s.io/client-go/listers/core/v1"
	storagelisters "k8s.io/client-go/listers/storage/v1"
	"k8s.io/client-go/tools/cache"
	"k8s.io/client-go/tools/clientcmd"
	"k8s.io/klog/v2"
)

// Provisioner is how a StorageClass names this program.
const Provisioner = "confman.io/local-folder"

const madeBy = "pv.kubernetes.io/provisioned-by"

// NewCommand is the program.
func NewCommand() *cobra.Command {
	var kubeconfig, folder, node string
	command := &cobra.Command{
		Use:   "volumes",
		Short: "makes a folder for each PersistentVolumeClaim",
		RunE: func(command *cobra.Command, _ []string) error {
			configuration, err := clientcmd.BuildConfigFromFlags("", kubeconfig)
			if err != nil {
				return err
			}
			client, err := kubernetes.NewForConfig(configuration)
			if err != nil {
				return err
			}
			return run(command.Context(), client, folder, node)
		},
	}
	command.Flags().StringVar(&kubeconfig, "kubeconfig", "", "how to reach the API server")
	command.Flags().StringVar(&folder, "folder", "", "where the volumes' folders are made")
	command.Flags().StringVar(&node, "node", "", "the node on which the folder is")
	return command
}

type provisioner struct {
	client  kubernetes.Interface
	claims  listers.PersistentVolumeClaimLister
	volumes listers.PersistentVolumeLister
	classes storagelisters.StorageClassLister
	folder  string
	node    string
}

func run(ctx context.Context, client kubernetes.Interface, folder, node string) error {
	if ctx == nil {
		ctx = context.Background()
	}
	factory := informers.NewSharedInformerFactory(client, time.Minute)
	claims := factory.Core().V1().PersistentVolumeClaims()
	volumes := factory.Core().V1().PersistentVolumes()
	classes := factory.Storage().V1().StorageClasses()
	// One slot is enough: whatever changed, everything is looked at.
	changed := make(chan struct{}, 1)
	notify := func() {
		select {
		case changed <- struct{}{}:
		default:
		}
	}
	handler := cache.ResourceEventHandlerFuncs{
		AddFunc: func(any) { notify() }, UpdateFunc: func(any, any) { notify() }, DeleteFunc: func(any) { notify() },
	}
	for _, informer := range []cache.SharedIndexInformer{claims.Informer(), volumes.Informer(), classes.Informer()} {
		if _, err := informer.AddEventHandler(handler); err != nil {
			return err
		}
	}
	factory.Start(ctx.Done())
	factory.WaitForCacheSync(ctx.Done())
	p := provisioner{client, claims.Lister(), volumes.Lister(), classes.Lister(), folder, node}
	for {
		if err := p.look(ctx); err != nil {
			klog.ErrorS(err, "will be tried again")
			time.AfterFunc(time.Second, notify)
		}
		select {
		case <-ctx.Done():
			return nil
		case <-changed:
		}
	}
}

// look makes what claims wait for, and removes what no claim holds any more.
func (p provisioner) look(ctx context.Context) error {
	claims, err := p.claims.List(labels.Everything())
	if err != nil {
		return err
	}
	for _, claim := range claims {
		if err := p.provide(ctx, claim); err != nil {
			return fmt.Errorf("claim %s/%s: %w", claim.Namespace, claim.Name, err)
		}
	}
	volumes, err := p.volumes.List(labels.Everything())
	if err != nil {
		return err
	}
	for _, volume := range volumes {
		if err := p.release(ctx, volume); err != nil {
			return fmt.Errorf("volume %s: %w", volume.Name, err)
		}
	}
	return nil
}

func (p provisioner) provide(ctx context.Context, claim *core.PersistentVolumeClaim) error {
	if claim.Status.Phase == core.ClaimBound || claim.Spec.VolumeName != "" || claim.Spec.StorageClassName == nil || claim.DeletionTimestamp != nil {
		return nil
	}
	class, err := p.classes.Get(*claim.Spec.StorageClassName)
	if apierrors.IsNotFound(err) || err == nil && class.Provisioner != Provisioner {
		return nil
	}
	if err != nil {
		return err
	}
	name := "pvc-" + string(claim.UID)
	if _, err := p.volumes.Get(name); err == nil {
		return nil
	}
	path := filepath.Join(p.folder, name)
	if err := os.MkdirAll(path, 0o777); err != nil {
		return err
	}
	// The caller's mask took rights away; a pod that is not root must be able to write.
	if err := os.Chmod(path, 0o777); err != nil {
		return err
	}
	_, err = p.client.CoreV1().PersistentVolumes().Create(ctx, p.volume(name, path, claim, *class.ReclaimPolicy), meta.CreateOptions{})
	if apierrors.IsAlreadyExists(err) {
		return nil
	}
	return err
}

func (p provisioner) volume(
	name, path string, claim *core.PersistentVolumeClaim, policy core.PersistentVolumeReclaimPolicy,
) *core.PersistentVolume {
	return &core.PersistentVolume{
		ObjectMeta: meta.ObjectMeta{Name: name, Annotations: map[string]string{madeBy: Provisioner}},
		Spec: core.PersistentVolumeSpec{
			AccessModes:                   claim.Spec.AccessModes,
			Capacity:                      core.ResourceList{core.ResourceStorage: claim.Spec.Resources.Requests[core.ResourceStorage]},
			PersistentVolumeReclaimPolicy: policy,
			StorageClassName:              *claim.Spec.StorageClassName,
			VolumeMode:                    claim.Spec.VolumeMode,
			ClaimRef: &core.ObjectReference{
				APIVersion: "v1", Kind: "PersistentVolumeClaim", Namespace: claim.Namespace, Name: claim.Name, UID: claim.UID,
			},
			// Not hostPath: kubelet gives a local volume to the pod's fsGroup.
			PersistentVolumeSource: core.PersistentVolumeSource{Local: &core.LocalVolumeSource{Path: path}},
			NodeAffinity: &core.VolumeNodeAffinity{Required: &core.NodeSelector{NodeSelectorTerms: []core.NodeSelectorTerm{{
				MatchExpressions: []core.NodeSelectorRequirement{
					{Key: core.LabelHostname, Operator: core.NodeSelectorOpIn, Values: []string{p.node}},
				},
			}}}},
		},
	}
}

func (p provisioner) release(ctx context.Context, volume *core.PersistentVolume) error {
	ours := volume.Annotations[madeBy] == Provisioner && volume.Spec.Local != nil
	if !ours || volume.Status.Phase != core.VolumeReleased || volume.Spec.PersistentVolumeReclaimPolicy != core.PersistentVolumeReclaimDelete {
		return nil
	}
	// Not the path in the object: whoever may edit volumes should not choose what is removed.
	if err := os.RemoveAll(filepath.Join(p.folder, filepath.Base(volume.Name))); err != nil {
		return err
	}
	err := p.client.CoreV1().PersistentVolumes().Delete(ctx, volume.Name, meta.DeleteOptions{})
	if apierrors.IsNotFound(err) {
		return nil
	}
	return err
}
